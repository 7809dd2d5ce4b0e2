/// The users and queues of the configuration file, which has the format of webhook-queue.
package struct QueueConfiguration: Equatable, Sendable {
    package struct User: Equatable, Sendable {
        package let name: String
        package let hash: PasswordHash
        package let mayReload: Bool
        /// The names of queues that the user may listen to, even if such queues do not exist.
        package let queues: [String]

        package init(name: String, hash: PasswordHash, mayReload: Bool = false, queues: [String] = []) {
            self.name = name
            self.hash = hash
            self.mayReload = mayReload
            self.queues = queues
        }
    }

    package var users: [User]
    /// Each name occurs once.
    package var queues: [QueueSettings]

    package init(users: [User] = [], queues: [QueueSettings] = []) {
        self.users = users
        self.queues = queues
    }
}

/// An error in a configuration file, or something that is probably not intended.
package struct ConfigurationFault: Equatable, Sendable, CustomStringConvertible {
    /// Counted from 1; columns are bytes.
    package let line: Int
    package let column: Int
    /// From the top of the file: `queues[3].auth.method`; empty for the top itself.
    package let path: String
    package let reason: String

    package var description: String { "line \(line), column \(column)\(path.isEmpty ? "" : ", \(path)"): \(reason)" }
}

/// Why a configuration cannot be applied, or a password cannot be changed.
package enum ConfigurationFailure: Error, Equatable, Sendable {
    /// There is no file.
    case missing
    /// The file changed while it was read, several times in a row.
    case changing
    /// The text is the end of a sentence.
    case unreadable(String)
    case unwritable(String)
    /// In the order of the file; there is at least one.
    case faulty([ConfigurationFault])
    /// The file has no such user.
    case unknownUser(String)
    /// Another request has changed the user's password since this one logged in.
    case loginChanged
}
