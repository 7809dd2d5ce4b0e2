extension Attempt.ErrorKind {
    /// The word for it in logs and metrics.
    package var word: String {
        switch self {
        case .dns: "dns"
        case .connect: "connect"
        case .tls: "tls"
        case .timeout: "timeout"
        case .reset: "reset"
        case .blockedIP: "blocked_ip"
        case .protocolError: "protocol"
        case .status: "status"
        case .disabled: "disabled"
        case .unavailable: "unavailable"
        case .withheld: "withheld"
        case .approval: "policy"
        case .consent: "consent"
        }
    }
}

extension Trigger {
    /// The word for it in logs.
    package var word: String {
        switch self {
        case .scheduled: "scheduled"
        case .manual: "manual"
        case .test: "test"
        case .recover: "recover"
        }
    }
}
