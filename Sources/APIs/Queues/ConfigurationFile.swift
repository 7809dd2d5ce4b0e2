package import Linux

/// The file that holds the configuration.
///
/// It may be read and changed on any thread.
package protocol ConfigurationFile: AnyObject, Sendable {
    /// - Returns: the content, and the state of the file when it was read.
    func read() throws(ConfigurationFailure) -> (bytes: [UInt8], state: FileState?)

    /// Whether the file still has the state that it had when it was read.
    func isStill(_ state: FileState) -> Bool

    /// Replaces the file's content; its owner and mode stay. A lock keeps out other processes that change the file in
    /// this way.
    /// - Parameter change: returns the new content for the old one.
    /// - Returns: the state of the new file.
    func change(
        _ change: ([UInt8]) throws(ConfigurationFailure) -> [UInt8]
    ) throws(ConfigurationFailure) -> FileState?
}

/// The outcome of changing a password.
package enum PasswordChange: Equatable, Sendable {
    case changed
    case tooShort
    case noMemory
    /// Too many passwords and configurations are being processed.
    case busy
    case failed(ConfigurationFailure)
}
