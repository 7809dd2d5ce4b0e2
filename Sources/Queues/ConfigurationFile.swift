package import Linux

/// Where the configuration is kept between two starts.
package protocol ConfigurationFile: AnyObject {
    /// - Returns: the content, and how the file was then.
    func read() throws(ConfigurationFailure) -> (bytes: [UInt8], state: FileState?)

    /// Whether the file is still as it was when it was read.
    func isStill(_ state: FileState) -> Bool

    /// Replaces the file, its owner and mode kept.
    func replace(with text: [UInt8]) throws(ConfigurationFailure)
}

/// What became of a new password.
package enum PasswordChange: Equatable, Sendable {
    case changed
    case tooShort
    case noMemory
    case failed(ConfigurationFailure)
}
