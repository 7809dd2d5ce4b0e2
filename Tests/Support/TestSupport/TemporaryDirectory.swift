// One for asynchronous bodies, one for the others.
// swift-format-ignore-file: AmbiguousTrailingClosureOverload

internal import FoundationEssentials
internal import Glibc
package import SystemPackage

/// Runs `body` with a new, empty directory, and then deletes the directory. Its path is short enough for sockets.
package func withTemporaryDirectory<Result>(_ body: (FilePath) throws -> Result) throws -> Result {
    let path = try makeTemporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: path.string) }
    return try body(path)
}

package func withTemporaryDirectory<Result>(_ body: (FilePath) async throws -> Result) async throws -> Result {
    let path = try makeTemporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: path.string) }
    return try await body(path)
}

private func makeTemporaryDirectory() throws -> FilePath {
    var template = Array("/tmp/postroom-test-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
    let path = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    // Another thread that creates a socket changes the mask of the whole process for a moment.
    guard unsafe chmod(path.string, 0o700) == 0 else { throw Errno(rawValue: errno) }
    return path
}
