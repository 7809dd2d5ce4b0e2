internal import HTTP
internal import Linux
internal import Logging
internal import SystemPackage

/// Reads nginx's standard error from a pipe and logs its lines in this program's log.
final class NginxLog {
    /// The write end of the pipe: the standard error of every nginx that is started.
    let writing: FileDescriptor
    /// The read end of the pipe. Readable when nginx has written something.
    let reading: FileDescriptor
    private let logger: Logger
    /// The beginning of a line whose end has not arrived yet.
    private var rest: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 65536)

    /// Lines longer than this are split. nginx's own lines have at most 2048 bytes.
    private static let maximumLine = 8192

    /// - Parameter descriptors: the ends of the pipe that a running nginx has, `reading` and `writing`; empty to open a new
    ///   pipe.
    init(_ logger: Logger, descriptors: [Int32] = []) throws(Errno) {
        if descriptors.count == 2 {
            (reading, writing) = (FileDescriptor(rawValue: descriptors[0]), FileDescriptor(rawValue: descriptors[1]))
        } else {
            (reading, writing) = try openLogPipe()
        }
        self.logger = logger
    }

    /// Logs the lines that have arrived since the last call. Never waits.
    func drain() {
        while true {
            let count = try? unsafe buffer.withUnsafeMutableBytes { unsafe try reading.read(into: $0) }
            guard let count, count > 0 else { return }
            for byte in buffer[..<count] {
                if byte == UInt8(ascii: "\n") || rest.count >= Self.maximumLine { tell() }
                if byte != UInt8(ascii: "\n") { rest.append(byte) }
            }
        }
    }

    private func tell() {
        let line = NginxLine(String(decoding: rest, as: UTF8.self))
        rest.removeAll(keepingCapacity: true)
        guard !line.message.isEmpty else { return }
        var details: Logger.Metadata = [:]
        if let process = line.process { details["pid"] = .stringConvertible(process) }
        logger.log(level: line.level, "\(line.message)", metadata: details)
    }
}

/// A parsed line of nginx's error log: `2026/11/28 22:40:01 [crit] 12#12: *3 what it says`, or, before nginx has read
/// where to log, `nginx: [emerg] what it says`. Any other line has the level `error`, and the whole line is its message.
struct NginxLine: Equatable {
    var level = Logger.Level.error
    var process: Int?
    var message: String

    private static let levels: [Substring: Logger.Level] = [
        "debug": .debug, "info": .info, "notice": .notice, "warn": .warning, "error": .error, "crit": .critical,
        "alert": .critical, "emerg": .critical,
    ]

    init(_ line: String) {
        message = line
        guard let open = line.firstIndex(of: "["), let close = line[open...].firstIndex(of: "]"),
            let level = Self.levels[line[line.index(after: open)..<close]], Self.isHead(line[..<open])
        else { return }
        self.level = level
        var rest = line[close...].dropFirst().drop { $0 == " " }
        let number = rest.prefix { $0.isNumber }
        if let process = Int(number), rest[number.endIndex...].first == "#",
            let colon = rest[number.endIndex...].firstIndex(of: ":")
        {
            self.process = process
            rest = rest[colon...].dropFirst().drop { $0 == " " }
        }
        message = String(rest)
    }

    /// Whether the text before the level is a time or nginx's name.
    private static func isHead(_ text: Substring) -> Bool {
        text == "nginx: " || !text.isEmpty && text.allSatisfy { $0.isNumber || "/: ".contains($0) }
    }
}
