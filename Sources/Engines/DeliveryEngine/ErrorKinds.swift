internal import Curl
internal import Delivery

extension Attempt.ErrorKind {
    init(_ kind: Exchange.ErrorKind) {
        self =
            switch kind {
            case .dns: .dns
            case .connect: .connect
            case .tls: .tls
            case .timeout: .timeout
            case .reset: .reset
            case .blocked: .blockedIP
            case .protocolError: .protocolError
            }
    }
}
