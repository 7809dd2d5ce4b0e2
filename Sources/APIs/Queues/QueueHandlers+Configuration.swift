internal import Encodings
package import HTTP
internal import HTTPTypes
internal import JSON
internal import Linux
package import Values

/// Applies the configuration file, and changes passwords in it.
extension QueueHandlers {
    /// Changes the password of the user who asks. A change that has begun is completed even if the client disconnects, so
    /// that the file and the store do not differ.
    func setPassword(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        if try await store.hasConfigured(request.id) { return try await context.committed(Self.done) }
        return try await loggedIn(request, context) { user async throws(StoreFailure) in
            guard case .whole(let body) = request.body, let password = Self.password(in: body) else {
                return .whole(errorResponse(.badRequest, "The body must be a JSON object with a string \"password\"."))
            }
            switch try await setPassword(of: user.name, to: password, by: user, for: request.id) {
            case .changed: return try await keepPassword(of: user.name, context)
            case .tooShort: return .whole(errorResponse(.badRequest, "A password must have at least 6 characters."))
            case .noMemory:
                return .whole(
                    errorResponse(.serviceUnavailable, "There is not enough memory to hash the password. Try again."))
            case .busy: return .whole(Self.busy)
            case .failed(let failure): return .whole(response(to: failure))
            }
        }
    }

    /// Waits until the store has committed a password that the file already has. If that fails, writes the password in
    /// force back to the file.
    private func keepPassword(of user: String, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        do throws(StoreFailure) {
            return try await context.committed(Self.done)
        } catch {
            await restorePassword(of: user)
            throw error
        }
    }

    /// Changes a user's password in the file and, if the user is in force, in the store; it lasts once the store has
    /// committed.
    ///
    /// The hash is made and the file is replaced on another thread. If the file has changed since, it is written again:
    /// otherwise a later change would be lost, in the file or in the store.
    /// - Parameter login: the user who asks, whose password must still be the one that was given; `nil`: an operator, who
    ///   needs no login.
    package func setPassword(
        of user: String, to password: String, by login: User? = nil, for request: RequestID? = nil
    ) async throws(StoreFailure) -> PasswordChange {
        guard password.unicodeScalars.count >= 6 else { return .tooShort }
        var hash: PasswordHash?
        for _ in 0..<4 {
            let changed: ChangedPassword
            switch await write(password, hash, of: user) {
            case nil: return .busy
            case .failure(.noMemory): return .noMemory
            case .failure(.file(.changing)): continue
            case .failure(.file(let failure)): return .failed(failure)
            case .success(let written): changed = written
            }
            hash = changed.hash
            guard changed.state.map(file.isStill) ?? true else { continue }
            forgetHashes()
            do throws(StoreFailure) {
                guard try await store.setPassword(of: user, to: changed.hash, by: login, for: request) else {
                    // Another request has changed the password first.
                    await restorePassword(of: user)
                    return .failed(.loginChanged)
                }
            } catch {
                await restorePassword(of: user)
                throw error
            }
            return .changed
        }
        return .failed(.changing)
    }

    /// Writes the password in force back to the file.
    private func restorePassword(of user: String) async {
        guard let hash = await passwordInForce(of: user) else { return }
        for _ in 0..<4 {
            switch await write("", hash, of: user) {
            case .success, .failure(.file(.missing)), .failure(.file(.unknownUser)): return
            case .failure(.file(.changing)): continue
            case .failure(.file(let failure)): return report(failure)
            case .failure(.noMemory), nil: break
            }
        }
        report(.unwritable("its password of user \"\(user)\" differs from the one in the store"))
    }

    private func passwordInForce(of user: String) async -> PasswordHash? {
        do throws(StoreFailure) {
            return try await store.current(userNamed: user)?.hash
        } catch {
            // A store that cannot write can still be read.
            return try? await store.user(named: user)?.hash
        }
    }

    /// Writes a password to the file.
    /// - Parameter hash: the hash of the password, if it was made before.
    /// - Returns: `nil` if too many tasks are waiting.
    private func write(
        _ password: String, _ hash: PasswordHash?, of user: String
    ) async -> Result<ChangedPassword, PasswordFault>? {
        let (file, kind) = (file, hashKind)
        return await background.result(of: { Self.write(password, hash, kind, of: user, to: file) })
    }

    /// The same, on any thread.
    private static func write(
        _ password: String, _ known: PasswordHash?, _ kind: PasswordHash.Kind, of user: String,
        to file: any ConfigurationFile
    ) -> Result<ChangedPassword, PasswordFault> {
        var random = SystemRandomNumberGenerator()
        guard let hash = known ?? PasswordHash(Array(password.utf8), kind, random: &random) else {
            return .failure(.noMemory)
        }
        do throws(ConfigurationFailure) {
            let state = try file.change { text throws(ConfigurationFailure) in
                try replacingHash(of: user, by: hash, in: text)
            }
            return .success(ChangedPassword(hash: hash, state: state))
        } catch {
            return .failure(.file(error))
        }
    }

    private static func password(in body: [UInt8]) -> String? {
        guard let text = jsonText(body), let json = try? JSON(parsing: text) else { return nil }
        return json["password"]?.string
    }

    /// Applies the configuration file.
    func reload(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        // If the new configuration revokes the right to reload, it is in force before its own request is answered.
        if try await store.hasConfigured(request.id) { return try await context.committed(Self.done) }
        return try await loggedIn(request, context) { user async throws(StoreFailure) in
            guard user.mayReload else {
                return .whole(
                    errorResponse(.forbidden, "This user may not reload the configuration: \"can_reload\" is not true.")
                )
            }
            switch try await configure(for: request.id) {
            case .done: return try await context.committed(Self.done)
            case .busy: return .whole(Self.busy)
            case .failed(let failure): return .whole(response(to: failure))
            }
        }
    }

    /// Applies the configuration of the file; it lasts once the store has committed.
    ///
    /// The file is read on another thread. If it has changed since, or another configuration or password has come into
    /// force, it is read again, so that an older configuration never replaces a newer one.
    package func configure(for request: RequestID? = nil) async throws(StoreFailure) -> Configuring {
        forgetHashes()
        let (file, limit) = (file, maximumMessageBytes)
        for _ in 0..<4 {
            let revision = try await store.configurationRevision()
            guard let loaded = await background.result(of: { Self.load(file, maximumMessageBytes: limit) }) else {
                return .busy
            }
            guard loaded.state.map(file.isStill) ?? true else { continue }
            switch loaded.result {
            case .success(let configuration):
                if try await store.configure(configuration, since: revision, for: request) { return .done }
            case .failure(.changing): continue
            case .failure(let failure): return .failed(failure)
            }
        }
        return .failed(.changing)
    }

    /// Reads the file, on any thread.
    private static func load(_ file: any ConfigurationFile, maximumMessageBytes: Int) -> LoadedConfiguration {
        var state: FileState?
        do throws(ConfigurationFailure) {
            let found = try file.read()
            state = found.state
            let reader = try ConfigurationReader(found.bytes, maximumMessageBytes: maximumMessageBytes)
            return LoadedConfiguration(result: .success(reader.configuration), state: state)
        } catch {
            return LoadedConfiguration(result: .failure(error), state: state)
        }
    }

    private func response(to failure: ConfigurationFailure) -> Response {
        if case .unwritable = failure { report(failure) }
        let unchanged = "Nothing was changed. The configuration file"
        return switch failure {
        case .missing: errorResponse(.conflict, "\(unchanged) does not exist.")
        case .unreadable(let reason): errorResponse(.conflict, "\(unchanged) cannot be read: \(reason).")
        case .changing: errorResponse(.conflict, "\(unchanged) is being changed. Try again.")
        case .unwritable: errorResponse(.serviceUnavailable, "\(unchanged) cannot be written.")
        case .loginChanged: wrongLogin
        case .unknownUser: errorResponse(.conflict, "\(unchanged) no longer has this user.")
        case .faulty(let faults):
            errorResponse(.unprocessableContent, "\(unchanged) is invalid: \(Self.list(faults))")
        }
    }

    private static func list(_ faults: [ConfigurationFault]) -> String {
        let shown = faults.prefix(20).map { "\($0)." }.joined(separator: " ")
        guard faults.count > 20 else { return shown }
        return "\(shown) And \(faults.count == ConfigurationReader.limit ? "at least " : "")\(faults.count - 20) more."
    }
}

/// The outcome of applying a configuration.
package enum Configuring: Equatable, Sendable {
    case done
    /// Too many passwords and configurations are being processed.
    case busy
    case failed(ConfigurationFailure)
}

/// A password that is in the file, but not yet in the store.
private struct ChangedPassword: Sendable {
    let hash: PasswordHash
    /// The state of the file after it was written.
    let state: FileState?
}

/// Why a password was not written to the file.
private enum PasswordFault: Error, Sendable {
    case noMemory
    case file(ConfigurationFailure)
}

/// The content of the configuration file, and the state of the file when it was read.
private struct LoadedConfiguration: Sendable {
    let result: Result<QueueConfiguration, ConfigurationFailure>
    let state: FileState?
}
