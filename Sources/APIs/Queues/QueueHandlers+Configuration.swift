internal import Encodings
package import HTTP
internal import HTTPTypes
internal import JSON
internal import Linux
package import Values

/// The configuration file, as it is put in force and as clients change it.
extension QueueHandlers {
    /// Changes the password of the user who asks. The hash is made and the file is replaced in another thread; then the loop
    /// writes the hash to the store in one short transaction, and the request is answered again. A change that has begun is
    /// finished when its client has gone, so that file and store do not differ.
    func setPassword(_ request: Request) throws(StoreFailure) -> Answer {
        let mark = passwordChanges.mark(request)
        if try store.hasConfigured(request.id) {
            _ = passwordChanges.take(mark)
            return .afterCommit(Self.done)
        }
        if passwordChanges.isRunning(mark) { return askForPassword(mark) }
        if let result = passwordChanges.take(mark) { return try finishPassword(result, request, mark) }
        return try loggedIn(request) { user throws(StoreFailure) in
            guard case .whole(let body) = request.body, let password = Self.password(in: body) else {
                return .now(errorResponse(.badRequest, "An object with a text \"password\" was expected."))
            }
            guard Self.isLongEnough(password) else { return answer(to: .tooShort) }
            let change = PasswordWish(user: user.name, login: user, password: Array(password.utf8))
            return try beginPassword(change, left: 4, request, mark)
        }
    }

    private func askForPassword(_ mark: [UInt8]) -> Answer {
        ask { [passwordChanges] in !passwordChanges.isRunning(mark) }
    }

    /// - Parameter left: how often it is begun again where the file changes meanwhile.
    private func beginPassword(
        _ wish: PasswordWish, left: Int, _ request: Request, _ mark: [UInt8]
    ) throws(StoreFailure) -> Answer {
        let (work, id) = (writing(wish, left: left), request.id)
        let isBegun = passwordChanges.begin(mark, work) { [weak self] in self?.nextStep(after: $0, for: id) }
        guard isBegun else { return .now(Self.busy) }
        // Without a thread of its own it is done by now.
        guard let result = passwordChanges.take(mark) else { return askForPassword(mark) }
        return try finishPassword(result, request, mark)
    }

    private func finishPassword(
        _ result: Result<ChangedPassword, PasswordFault>, _ request: Request, _ mark: [UInt8]
    ) throws(StoreFailure) -> Answer {
        switch result {
        case .failure(.noMemory): return answer(to: .noMemory)
        case .failure(.file(let failure)): return answer(to: .failed(failure))
        case .success(let changed):
            switch changed.wish.undone {
            case .loginChanged: return answer(to: .failed(.loginChanged))
            case .storeFailed(let failure): throw failure
            case nil: break
            }
            let failure = try put(changed, for: request.id)
            if let again = try rewriting(changed, after: failure) {
                return try beginPassword(again.wish, left: again.left, request, mark)
            }
            return answer(to: failure.map { .failed($0) } ?? .changed)
        }
    }

    /// Writes a password that is in the file to the store.
    /// - Returns: what to write to the file next; `nil` where the change has ended, or the request reports its failure.
    private func nextStep(
        after result: Result<ChangedPassword, PasswordFault>, for request: RequestID?
    ) -> (@Sendable () -> Result<ChangedPassword, PasswordFault>)? {
        guard case .success(let changed) = result, changed.wish.undone == nil else { return nil }
        do throws(StoreFailure) {
            let failure = try put(changed, for: request)
            return try rewriting(changed, after: failure).map { writing($0.wish, left: $0.left) }
        } catch {
            let before = try? passwordInForce(of: changed.wish.user, because: .storeFailed(error))
            return before.map { writing($0, left: 1) }
        }
    }

    private func writing(_ wish: PasswordWish, left: Int) -> @Sendable () -> Result<ChangedPassword, PasswordFault> {
        let (file, kind) = (file, hashKind)
        return { Self.writePassword(wish, kind, left: left, to: file) }
    }

    /// What to write to the file where the store did not take a password: the same again where the file has changed
    /// meanwhile, the password in force where another request was first.
    private func rewriting(
        _ changed: ChangedPassword, after failure: ConfigurationFailure?
    ) throws(StoreFailure) -> (wish: PasswordWish, left: Int)? {
        if failure == .changing, changed.left > 1 { return (changed.wish, changed.left - 1) }
        if failure == .loginChanged { return try passwordInForce(of: changed.wish.user).map { ($0, 1) } }
        return nil
    }

    /// What the file gets back: the password in force, which another request has set, or which a store that failed still has.
    private func passwordInForce(
        of user: String, because reason: PasswordWish.Reason = .loginChanged
    ) throws(StoreFailure) -> PasswordWish? {
        guard let current = try store.current(userNamed: user) else { return nil }
        return PasswordWish(user: user, login: nil, password: [], hash: current.hash, undone: reason)
    }

    private func answer(to change: PasswordChange) -> Answer {
        switch change {
        case .changed: .afterCommit(Self.done)
        case .tooShort: .now(errorResponse(.badRequest, "A password has at least 6 characters."))
        case .noMemory: .now(errorResponse(.serviceUnavailable, "There is no memory to hash the password."))
        case .failed(let failure): .now(response(to: failure))
        }
    }

    private static func isLongEnough(_ password: String) -> Bool { password.unicodeScalars.count >= 6 }

    /// Makes a hash and writes it to the file, whatever thread this is.
    private static func writePassword(
        _ given: PasswordWish, _ kind: PasswordHash.Kind, left: Int, to file: any ConfigurationFile
    ) -> Result<ChangedPassword, PasswordFault> {
        var random = SystemRandomNumberGenerator()
        guard let hash = given.hash ?? PasswordHash(given.password, kind, random: &random) else {
            return .failure(.noMemory)
        }
        var wish = given
        wish.hash = hash
        do throws(ConfigurationFailure) {
            let state = try file.change { text throws(ConfigurationFailure) in
                try replacingHash(of: given.user, by: hash, in: text)
            }
            return .success(ChangedPassword(wish: wish, hash: hash, state: state, left: left))
        } catch {
            return .failure(.file(error))
        }
    }

    /// Has a password in force that was written to the file. Where the file has changed since, it is to be written again: what
    /// came later would otherwise be lost, in the file or in the store.
    private func put(
        _ changed: ChangedPassword, for request: RequestID?
    ) throws(StoreFailure) -> ConfigurationFailure? {
        let failure = try store.setPassword(
            of: changed.wish.user, to: changed.hash, by: changed.wish.login, for: request
        ) { changed.state.map(file.isStill) ?? true ? nil : .changing }
        if failure == nil { forgetHashes() }
        return failure
    }

    /// Changes a user's password in the file, and at once where the user is in force.
    /// - Parameter login: who asks for it; `nil`: an operator, who needs no login.
    package func setPassword(
        of user: String, to password: String, by login: User? = nil
    ) throws(StoreFailure) -> PasswordChange {
        guard Self.isLongEnough(password) else { return .tooShort }
        var wish = PasswordWish(user: user, login: login, password: Array(password.utf8))
        for left in 0..<4 {
            switch Self.writePassword(wish, hashKind, left: left, to: file) {
            case .failure(.noMemory): return .noMemory
            case .failure(.file(.changing)): continue
            case .failure(.file(let failure)): return .failed(failure)
            case .success(let changed):
                wish = changed.wish
                let failure = try put(changed, for: nil)
                if failure == .loginChanged, let before = try passwordInForce(of: user) {
                    _ = Self.writePassword(before, hashKind, left: 1, to: file)
                }
                if failure != .changing { return failure.map { .failed($0) } ?? .changed }
            }
        }
        return .failed(.changing)
    }

    private static func password(in body: [UInt8]) -> String? {
        guard let text = jsonText(body), let json = try? JSON(parsing: text) else { return nil }
        return json["password"]?.string
    }

    /// Puts the file in force. It is read beside the loop, and the request is answered anew.
    func reload(_ request: Request) throws(StoreFailure) -> Answer {
        // A configuration that takes away the right to reload is in force before its request is answered.
        if try store.hasConfigured(request.id) { return .afterCommit(Self.done) }
        let mark = configurations.mark(request)
        if configurations.isRunning(mark) { return askForConfiguration(mark) }
        if let loaded = configurations.take(mark) { return try finishReload(loaded, request, mark) }
        return try loggedIn(request) { user throws(StoreFailure) in
            guard user.mayReload else {
                return .now(errorResponse(.forbidden, "You may not reload the configuration."))
            }
            return try beginReload(left: 4, request, mark)
        }
    }

    private func askForConfiguration(_ mark: [UInt8]) -> Answer {
        ask(giveUp: response(to: .changing)) { [configurations] in !configurations.isRunning(mark) }
    }

    private func beginReload(left: Int, _ request: Request, _ mark: [UInt8]) throws(StoreFailure) -> Answer {
        let (file, limit) = (file, maximumMessageBytes)
        guard configurations.begin(mark, { Self.load(file, maximumMessageBytes: limit, left: left) }) else {
            return .now(Self.busy)
        }
        guard let loaded = configurations.take(mark) else { return askForConfiguration(mark) }
        return try finishReload(loaded, request, mark)
    }

    private func finishReload(
        _ loaded: LoadedConfiguration, _ request: Request, _ mark: [UInt8]
    ) throws(StoreFailure) -> Answer {
        let failure = try put(loaded, for: request.id)
        if failure == .changing, loaded.left > 1 { return try beginReload(left: loaded.left - 1, request, mark) }
        return failure.map { .now(response(to: $0)) } ?? .afterCommit(Self.done)
    }

    /// Puts the file's configuration in force.
    package func configure(for request: RequestID? = nil) throws(StoreFailure) -> ConfigurationFailure? {
        for left in 0..<4 {
            let failure = try put(
                Self.load(file, maximumMessageBytes: maximumMessageBytes, left: left), for: request)
            if failure != .changing { return failure }
        }
        return .changing
    }

    private func put(
        _ loaded: LoadedConfiguration, for request: RequestID?
    ) throws(StoreFailure) -> ConfigurationFailure? {
        forgetHashes()
        return try store.configure(for: request) {
            loaded.state.map(file.isStill) ?? true ? loaded.result : .failure(.changing)
        }
    }

    /// Reads the file, whatever thread this is.
    private static func load(
        _ file: any ConfigurationFile, maximumMessageBytes: Int, left: Int
    ) -> LoadedConfiguration {
        var state: FileState?
        do throws(ConfigurationFailure) {
            let found = try file.read()
            state = found.state
            let reader = try ConfigurationReader(found.bytes, maximumMessageBytes: maximumMessageBytes)
            return LoadedConfiguration(result: .success(reader.configuration), state: state, left: left)
        } catch {
            return LoadedConfiguration(result: .failure(error), state: state, left: left)
        }
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

/// A password that a user is to have.
struct PasswordWish: Sendable {
    let user: String
    /// Who asks for it, and must still have the password that was given; `nil`: no login is needed.
    let login: User?
    let password: [UInt8]
    /// The hash of the password, where it was made before.
    var hash: PasswordHash?
    /// Why this puts back into the file what is in force already; `nil` where it does not.
    var undone: Reason?

    enum Reason {
        /// Another request was first.
        case loginChanged
        case storeFailed(StoreFailure)
    }
}

/// A password that the file has, and the store not yet.
struct ChangedPassword: Sendable {
    let wish: PasswordWish
    let hash: PasswordHash
    /// How the file was once it had the password.
    let state: FileState?
    /// How often it may be written again where the file has changed.
    let left: Int
}

/// Why a password is not in the file.
enum PasswordFault: Error, Sendable {
    case noMemory
    case file(ConfigurationFailure)
}

/// What was read of the configuration file, and how the file was then.
struct LoadedConfiguration: Sendable {
    let result: Result<QueueConfiguration, ConfigurationFailure>
    let state: FileState?
    /// How often it may be read again where the file has changed.
    let left: Int
}
