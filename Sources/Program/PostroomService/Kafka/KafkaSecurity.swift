internal import Linux
internal import SystemPackage

/// Encryption and login of connections to brokers, in librdkafka's terms.
struct KafkaSecurity: Equatable {
    enum SecurityProtocol: String, Equatable, CaseIterable {
        case plaintext, ssl
        case saslPlaintext = "sasl_plaintext"
        case saslSSL = "sasl_ssl"

        var isEncrypted: Bool { self == .ssl || self == .saslSSL }
        var hasLogin: Bool { self == .saslPlaintext || self == .saslSSL }
    }

    enum Mechanism: String, Equatable, CaseIterable {
        case plain
        case scramSHA256 = "scram-sha-256"
        case scramSHA512 = "scram-sha-512"
    }

    enum HostCheck: String, Equatable { case https, none }

    var securityProtocol = SecurityProtocol.plaintext
    /// The mechanism of SASL; without effect in protocols without it.
    var mechanism = Mechanism.plain
    var user: String?
    var password: String?
    /// The file of the trusted authorities (PEM); `nil`: those of the machine.
    var authority: String?
    /// The files of this client's certificate and its key (PEM).
    var certificate: String?
    var key: String?
    var keyPassword: String?
    /// Whether a broker's certificate must name the broker's host.
    var hostCheck = HostCheck.https

    /// The configuration properties for librdkafka (CONFIGURATION.md).
    var properties: [(name: String, value: String)] {
        var properties = [(name: "security.protocol", value: securityProtocol.rawValue)]
        func add(_ name: String, _ value: String?) {
            if let value { properties.append((name, value)) }
        }
        if securityProtocol.isEncrypted {
            add("ssl.endpoint.identification.algorithm", hostCheck.rawValue)
            add("ssl.ca.location", authority)
            add("ssl.certificate.location", certificate)
            add("ssl.key.location", key)
            add("ssl.key.password", keyPassword)
        }
        if securityProtocol.hasLogin {
            add("sasl.mechanism", mechanism.rawValue.uppercased())
            add("sasl.username", user)
            add("sasl.password", password)
        }
        return properties
    }

    /// Adds a fault for each setting that belongs to another protocol, for a missing user name or password, and for a
    /// certificate without its key or a key without its certificate.
    func check(_ faults: inout [SettingError]) {
        let logins = [("KAFKA_SASL_USERNAME", user, false), ("KAFKA_SASL_PASSWORD", password, true)]
        let files = [
            ("KAFKA_SSL_CA_LOCATION", authority, false), ("KAFKA_SSL_CERTIFICATE_LOCATION", certificate, false),
            ("KAFKA_SSL_KEY_LOCATION", key, false), ("KAFKA_SSL_KEY_PASSWORD", keyPassword, true),
        ]
        for (parts, isUsed, protocols) in [
            (logins, securityProtocol.hasLogin, "sasl_plaintext or sasl_ssl"),
            (files, securityProtocol.isEncrypted, "ssl or sasl_ssl"),
        ] {
            for case (let name, let value?, let isSecret) in parts where !isUsed {
                faults.append(
                    SettingError(
                        name: name, value: isSecret ? "…" : value,
                        but: "has no effect unless KAFKA_SECURITY_PROTOCOL is \(protocols)"))
            }
        }
        for case (let name, nil, _) in logins where securityProtocol.hasLogin {
            faults.append(
                SettingError(
                    name: name, value: "", but: "is required by KAFKA_SECURITY_PROTOCOL=\(securityProtocol.rawValue)"))
        }
        if securityProtocol.isEncrypted, (certificate == nil) != (key == nil) {
            let name = certificate == nil ? "KAFKA_SSL_CERTIFICATE_LOCATION" : "KAFKA_SSL_KEY_LOCATION"
            faults.append(
                SettingError(
                    name: name, value: "", but: "is required: a certificate and its key are only used together"))
        }
    }
}

extension Settings {
    static var kafkaSecurityVariables: [Variable] {
        [
            .choice(
                "KAFKA_SECURITY_PROTOCOL", \.kafka.security.securityProtocol,
                words(KafkaSecurity.SecurityProtocol.allCases.map(\.rawValue))),
            .choice(
                "KAFKA_SASL_MECHANISM", \.kafka.security.mechanism,
                words(KafkaSecurity.Mechanism.allCases.map { $0.rawValue.uppercased() })),
            .optionalText("KAFKA_SASL_USERNAME", \.kafka.security.user, "a name") { !$0.utf8.contains(0) },
            .secret("KAFKA_SASL_PASSWORD", \.kafka.security.password, "a password") { !$0.utf8.contains(0) },
            file("KAFKA_SSL_CA_LOCATION", \.kafka.security.authority),
            file("KAFKA_SSL_CERTIFICATE_LOCATION", \.kafka.security.certificate),
            file("KAFKA_SSL_KEY_LOCATION", \.kafka.security.key),
            .secret("KAFKA_SSL_KEY_PASSWORD", \.kafka.security.keyPassword, "a password") { !$0.utf8.contains(0) },
            .choice(
                "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", \.kafka.security.hostCheck, "https or none"),
        ]
    }

    private static func words(_ words: [String]) -> String {
        "\(words.dropLast().joined(separator: ", ")) or \(words.last ?? "")"
    }

    private static func file(_ name: String, _ path: WritableKeyPath<Settings, String?>) -> Variable {
        .optionalText(name, path, "the path of a readable file") { Files.isReadable(FilePath($0)) }
    }
}
