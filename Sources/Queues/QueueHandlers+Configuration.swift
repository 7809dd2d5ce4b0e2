internal import ContentDecoding
package import Gateway
internal import HTTPTypes
internal import JSON
internal import Linux

/// The configuration file, as it is put in force and as clients change it.
extension QueueHandlers {
    func setPassword(_ request: Request) throws(StoreFailure) -> Answer {
        if try store.hasConfigured(request.id) { return .afterCommit(Self.done) }
        return try loggedIn(request) { user throws(StoreFailure) in
            guard case .whole(let body) = request.body, let password = Self.password(in: body) else {
                return .now(errorResponse(.badRequest, "An object with a text \"password\" was expected."))
            }
            return switch try setPassword(of: user.name, to: password, by: user, for: request.id) {
            case .changed: .afterCommit(Self.done)
            case .tooShort: .now(errorResponse(.badRequest, "A password has at least 6 characters."))
            case .noMemory: .now(errorResponse(.serviceUnavailable, "There is no memory to hash the password."))
            case .failed(let failure): .now(response(to: failure))
            }
        }
    }

    /// Changes a user's password in the file, and at once where the user is in force.
    /// - Parameter login: who asks for it; `nil`: an operator, who needs no login.
    package func setPassword(
        of user: String, to password: String, by login: User? = nil, for request: RequestID? = nil
    ) throws(StoreFailure) -> PasswordChange {
        guard password.unicodeScalars.count >= 6 else { return .tooShort }
        guard let hash = PasswordHash(Array(password.utf8), hashKind, random: &random) else { return .noMemory }
        let failure = try again { () throws(StoreFailure) in
            // Read before any other process has to wait, and held against the file once all do.
            let changed: Result<(text: [UInt8], state: FileState?), ConfigurationFailure>
            do throws(ConfigurationFailure) {
                let before = try file.read()
                changed = .success((try replacingHash(of: user, by: hash, in: before.bytes), before.state))
            } catch {
                changed = .failure(error)
            }
            return try store.setPassword(of: user, to: hash, by: login, for: request) {
                do throws(ConfigurationFailure) {
                    let (text, state) = try changed.get()
                    if let state, !file.isStill(state) { throw .changing }
                    try file.replace(with: text)
                    return nil
                } catch {
                    return error
                }
            }
        }
        if failure == nil { forgetHashes() }
        return failure.map { .failed($0) } ?? .changed
    }

    private static func password(in body: [UInt8]) -> String? {
        guard let text = jsonText(body), let json = try? JSON(parsing: text) else { return nil }
        return json["password"]?.string
    }

    func reload(_ request: Request) throws(StoreFailure) -> Answer {
        // A configuration that takes away the right to reload is in force before its request is answered.
        if try store.hasConfigured(request.id) { return .afterCommit(Self.done) }
        return try loggedIn(request) { user throws(StoreFailure) in
            guard user.mayReload else {
                return .now(errorResponse(.forbidden, "You may not reload the configuration."))
            }
            let failure = try configure(for: request.id)
            return failure.map { .now(response(to: $0)) } ?? .afterCommit(Self.done)
        }
    }

    /// Puts the file's configuration in force.
    package func configure(for request: RequestID? = nil) throws(StoreFailure) -> ConfigurationFailure? {
        forgetHashes()
        return try again { () throws(StoreFailure) in
            let (result, state) = readConfiguration()
            return try store.configure(for: request) { state.map(file.isStill) ?? true ? result : .failure(.changing) }
        }
    }

    private func readConfiguration() -> (Result<QueueConfiguration, ConfigurationFailure>, FileState?) {
        var state: FileState?
        do throws(ConfigurationFailure) {
            let file = try file.read()
            state = file.state
            let reader = try ConfigurationReader(file.bytes, maximumMessageBytes: maximumMessageBytes)
            return (.success(reader.configuration), state)
        } catch {
            return (.failure(error), state)
        }
    }

    /// Does what a file that changed meanwhile has kept from being done, a few times.
    private func again(
        _ body: () throws(StoreFailure) -> ConfigurationFailure?
    ) throws(StoreFailure) -> ConfigurationFailure? {
        for _ in 0..<4 {
            let failure = try body()
            if failure != .changing { return failure }
        }
        return .changing
    }

    private func response(to failure: ConfigurationFailure) -> Response {
        if case .unwritable = failure { report(failure) }
        let unchanged = "Nothing was changed. The configuration file"
        return switch failure {
        case .missing: errorResponse(.conflict, "\(unchanged) is not there.")
        case .unreadable(let reason): errorResponse(.conflict, "\(unchanged) cannot be read: \(reason).")
        case .changing: errorResponse(.conflict, "\(unchanged) is being changed.")
        case .unwritable: errorResponse(.serviceUnavailable, "\(unchanged) cannot be written.")
        case .loginChanged: wrongLogin
        case .unknownUser: errorResponse(.conflict, "\(unchanged) does not have this user any longer.")
        case .faulty(let faults):
            errorResponse(.unprocessableContent, "\(unchanged) is at fault. \(Self.list(faults))")
        }
    }

    private static func list(_ faults: [ConfigurationFault]) -> String {
        let shown = faults.prefix(20).map { "\($0)." }.joined(separator: " ")
        guard faults.count > 20 else { return shown }
        return "\(shown) And \(faults.count == ConfigurationReader.limit ? "at least " : "")\(faults.count - 20) more."
    }
}
