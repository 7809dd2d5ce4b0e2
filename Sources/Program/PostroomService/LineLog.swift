internal import HTTP
internal import JSON
internal import Linux
package import Logging
internal import SystemPackage
internal import Values

/// Writes one line for each message to standard error, as text or as JSON.
///
/// In JSON, metadata given as an `Int`, a finite `Double` or a `Bool` is a number or a Boolean, and all else is a string. In
/// a text line, a value that is not one word is in double quotes, with backslash escapes.
struct LineLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let process: String
    private let format: Settings.LogFormat
    private let isLocal: Bool

    /// - Parameters:
    ///   - process: which of the installation's processes this is.
    ///   - isLocal: whether times are in this process's time zone instead of UTC.
    init(process: String, level: Logger.Level, format: Settings.LogFormat, isLocal: Bool) {
        self.process = process
        self.format = format
        self.isLocal = isLocal
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Self.text(of: Timestamp(microseconds: SystemClock.realTimeMicroseconds()), isLocal: isLocal)
        let details = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        var line: [UInt8]
        switch format {
        case .text:
            let tail = details.map { " \($0.key)=\(Self.word($0.value))" }.joined()
            let text = "\(time) \(event.level) \(process): \(event.message)\(tail)"
            line = Array(text.utf8.map { $0 < 0x20 || $0 == 0x7f ? 0x20 : $0 })
        case .json:
            line = objectJSON { json in
                json.member("time", time)
                json.member("level", event.level.rawValue)
                json.member("process", process)
                json.member("message", "\(event.message)")
                for (name, value) in details {
                    switch value {
                    case .stringConvertible(let number as Int): json.member(name, number)
                    case .stringConvertible(let number as Double) where number.isFinite:
                        json.name(name)
                        json.value(text: "\(number)".utf8)
                    case .stringConvertible(let truth as Bool):
                        json.name(name)
                        json.bool(truth)
                    default: json.member(name, "\(value)")
                    }
                }
            }
        }
        line.append(UInt8(ascii: "\n"))
        _ = try? FileDescriptor.standardError.writeAll(line)
    }

    /// A value in a text line: unchanged if it is one word, otherwise in double quotes.
    private static func word(_ value: Logger.Metadata.Value) -> String {
        let text = "\(value)"
        let isWord = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && !"\"=\\".utf8.contains($0) }
        if isWord { return text }
        var quoted = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\"", "\\": quoted += "\\\(character)"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            default: quoted.unicodeScalars.append(character)
            }
        }
        return quoted + "\""
    }

    private static func text(of time: Timestamp, isLocal: Bool) -> String {
        guard isLocal else { return time.iso8601() }
        let minutes = SystemClock.zoneOffsetSeconds(at: time.microseconds / 1_000_000) / 60
        func digits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let zone = "\(minutes < 0 ? "-" : "+")\(digits(abs(minutes) / 60)):\(digits(abs(minutes) % 60))"
        return time.adding(seconds: Double(minutes * 60)).iso8601(zone: zone)
    }
}

extension Settings {
    package func logger(_ process: String) -> Logger {
        let isLocal = timeZone != Self.universalTime
        return Logger(label: process) { [logLevel, logFormat] label in
            LineLog(process: label, level: logLevel, format: logFormat, isLocal: isLocal)
        }
    }
}
