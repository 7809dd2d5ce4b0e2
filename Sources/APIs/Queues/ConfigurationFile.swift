package import Linux

/// Where the configuration is kept between two starts.
///
/// It is read and changed in any thread.
package protocol ConfigurationFile: AnyObject, Sendable {
    /// - Returns: the content, and how the file was then.
    func read() throws(ConfigurationFailure) -> (bytes: [UInt8], state: FileState?)

    /// Whether the file is still as it was when it was read.
    func isStill(_ state: FileState) -> Bool

    /// Replaces the file, its owner and mode kept. No other process that changes the file so does it at the same time.
    /// - Parameter change: the new content in place of the old one.
    /// - Returns: how the file is then.
    func change(
        _ change: ([UInt8]) throws(ConfigurationFailure) -> [UInt8]
    ) throws(ConfigurationFailure) -> FileState?
}

/// What became of a new password.
package enum PasswordChange: Equatable, Sendable {
    case changed
    case tooShort
    case noMemory
    /// Too many passwords and configurations are being worked on.
    case busy
    case failed(ConfigurationFailure)
}
