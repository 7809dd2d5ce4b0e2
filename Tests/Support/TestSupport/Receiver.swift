internal import FoundationEssentials
package import Linux
package import SystemPackage

/// Tests/Support/receiver.py: an HTTP receiver that misbehaves on demand, as its URL or its rules say.
package struct Receiver {
    /// A request that has arrived.
    package struct Arrival: Decodable, Sendable {
        package var method: String
        package var path: String
        /// Names and values.
        package var headers: [[String]]
        /// `nil` if it is not UTF-8.
        package var body: String?
        package var len: Int
        /// The number of its connection.
        package var conn: Int
    }

    package let port: Int
    package let log: FilePath

    /// All requests read so far, in order. Each is listed before it is answered.
    package func arrivals() throws -> [Arrival] {
        struct Event: Decodable { var ev: String }
        let lines = String(decoding: Files.contents(of: log) ?? [], as: UTF8.self).split(separator: "\n")
        return try lines.compactMap { line in
            let data = Data(line.utf8)
            guard try JSONDecoder().decode(Event.self, from: data).ev == "arrival" else { return nil }
            return try JSONDecoder().decode(Arrival.self, from: data)
        }
    }
}

/// The message of the receiver once it listens.
private struct Ready: Decodable { var port: Int }

/// Runs `body` with a receiver on 127.0.0.1, and then ends the receiver.
package func withReceiver<Result>(_ options: [String] = [], _ body: (Receiver) throws -> Result) throws -> Result {
    let script = FilePath(#filePath).removingLastComponent().removingLastComponent().appending("receiver.py")
    return try withTemporaryDirectory { directory in
        let log = directory.appending("arrivals")
        let ready = directory.appending("ready")
        return try withProgram(
            "python3", [script.string, "--log", log.string, "--ready-file", ready.string] + options
        ) { _ in
            var port: Int?
            _ = try holds {
                port = try Files.contents(of: ready).map { try JSONDecoder().decode(Ready.self, from: Data($0)).port }
                return port != nil
            }
            guard let port else { throw Errno.timedOut }
            return try body(Receiver(port: port, log: log))
        }
    }
}

/// Runs a program found in PATH until `body` returns, then kills it and what it started.
package func withProgram<Result>(
    _ name: String, _ arguments: [String], _ body: (ChildProcess) throws -> Result
) throws -> Result {
    let child = try start(name, arguments)
    defer {
        child.killGroup()
        _ = try? child.waitForEnding()
    }
    return try body(child)
}

/// Runs a program found in PATH to its end, and returns how it ended.
package func runProgram(_ name: String, _ arguments: [String]) throws -> ChildProcess.Ending {
    try start(name, arguments).waitForEnding()
}

private func start(_ name: String, _ arguments: [String]) throws -> ChildProcess {
    // Its output is discarded.
    let command = ["-c", #"exec "$@" >/dev/null 2>&1"#, "sh", name] + arguments
    return try ChildProcess(
        "/bin/sh", command, environment: ProcessInfo.processInfo.environment.map { "\($0)=\($1)" })
}
