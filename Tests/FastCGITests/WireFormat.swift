import Glibc
import Linux
import SystemPackage

/// FastCGI as a web server writes it (FastCGI specification, sections 3 to 5). It does not use the program's own code,
/// so that an error in that shows.
enum Wire {
    static func record(_ type: UInt8, _ id: UInt16 = 1, _ content: [UInt8] = [], padding: Int = 0) -> [UInt8] {
        let head = [1, type, UInt8(id >> 8), UInt8(id & 0xff), UInt8(content.count >> 8), UInt8(content.count & 0xff)]
        return head + [UInt8(padding), 0] + content + [UInt8](repeating: 0, count: padding)
    }

    static func begin(_ id: UInt16 = 1, role: UInt16 = 1, keeps: Bool = true) -> [UInt8] {
        record(1, id, [UInt8(role >> 8), UInt8(role & 0xff), keeps ? 1 : 0, 0, 0, 0, 0, 0])
    }

    static func abort(_ id: UInt16 = 1) -> [UInt8] { record(2, id) }

    static func pair(_ name: String, _ value: String) -> [UInt8] {
        func length(_ count: Int) -> [UInt8] {
            guard count > 127 else { return [UInt8(count)] }
            return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: (count | 1 << 31) >> $0) }
        }
        return length(name.utf8.count) + length(value.utf8.count) + name.utf8 + value.utf8
    }

    /// A stream of one type: its content in records of at most `size` bytes, and the empty one that ends it.
    static func stream(_ type: UInt8, _ id: UInt16, _ content: [UInt8], size: Int, padding: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = content[...]
        while !rest.isEmpty {
            bytes += record(type, id, Array(rest.prefix(size)), padding: padding)
            rest = rest.dropFirst(size)
        }
        // libfcgi cannot read a request whose parameters end in a padded record; no known server pads an empty one.
        return bytes + record(type, id, [], padding: type == 5 ? padding : 0)
    }

    /// A whole request, as nginx would send it.
    /// - Parameter length: the declared length of the body; `nil` for its actual one.
    static func request(
        _ target: String, id: UInt16 = 1, body: [UInt8] = [], length: String? = nil,
        parameters: [(String, String)] = [], address: String = "127.0.0.1",
        keeps: Bool = true, recordBytes: Int = 32768, padding: Int = 0
    ) -> [UInt8] {
        let all =
            [
                ("REQUEST_METHOD", body.isEmpty ? "GET" : "POST"), ("REQUEST_URI", target), ("SCRIPT_NAME", ""),
                ("CONTENT_LENGTH", length ?? (body.isEmpty ? "" : String(body.count))), ("REMOTE_ADDR", address),
            ] + parameters
        return begin(id, keeps: keeps)
            + stream(4, id, all.flatMap { pair($0, $1) }, size: recordBytes, padding: padding)
            + stream(5, id, body, size: recordBytes, padding: padding)
    }
}

/// One response, taken out of its records.
struct WireAnswer: Equatable {
    var id: UInt16 = 0
    var output: [UInt8] = []
    var protocolStatus: UInt8 = 0

    /// The number in the field `Status`.
    var status: Int? {
        let line = output.prefix { $0 != UInt8(ascii: "\r") }
        guard line.starts(with: "Status: ".utf8) else { return nil }
        return Int(String(decoding: line.dropFirst(8).prefix(3), as: UTF8.self))
    }

    var body: [UInt8] {
        for index in 0..<max(0, output.count - 3) where output[index...].starts(with: "\r\n\r\n".utf8) {
            return Array(output[(index + 4)...])
        }
        return []
    }

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A connection like those of a web server. Reading fails after a minute without a byte.
final class WireConnection {
    let descriptor: FileDescriptor
    private var isOpen = true

    init(_ path: FilePath) throws {
        descriptor = try UnixSocket.connect(to: path, timeoutSeconds: 60)
    }

    deinit { close() }

    func close() {
        if isOpen { try? descriptor.close() }
        isOpen = false
    }

    func send(_ bytes: [UInt8]) throws { try descriptor.writeAll(bytes) }

    /// Sends as many bytes as fit, and returns their number.
    func sendSome(_ bytes: [UInt8]) throws -> Int { try UnixSocket.send(bytes, from: 0, to: descriptor) }

    /// The next `count` bytes, or `nil` if the connection ends before.
    func bytes(_ count: Int) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var buffer = [UInt8](repeating: 0, count: min(max(count, 1), 65536))
        while bytes.count < count {
            let wanted = min(count - bytes.count, buffer.count)
            let found = unsafe try buffer.withUnsafeMutableBytes {
                unsafe try descriptor.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
            }
            if found == 0 { return nil }
            bytes += buffer[..<found]
        }
        return bytes
    }

    func record() throws -> (type: UInt8, id: UInt16, content: [UInt8])? {
        guard let head = try bytes(8), let content = try bytes(Int(head[4]) << 8 | Int(head[5])),
            try bytes(Int(head[6])) != nil
        else { return nil }
        return (head[1], UInt16(head[2]) << 8 | UInt16(head[3]), content)
    }

    /// The next complete response, or `nil` if the connection ends before.
    func answer() throws -> WireAnswer? {
        var answer = WireAnswer()
        while let (type, id, content) = try record() {
            answer.id = id
            switch type {
            case 6: answer.output += content
            case 3:
                answer.protocolStatus = content[4]
                return answer
            default: return nil
            }
        }
        return nil
    }

    func ask(_ target: String, body: [UInt8] = []) throws -> WireAnswer? {
        try send(Wire.request(target, body: body))
        return try answer()
    }

    /// Whether something can be read now.
    var hasBytes: Bool {
        var wanted = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&wanted, 1, 0) > 0
    }

    /// Whether the other side closes the connection without sending anything.
    func isClosed() throws -> Bool {
        do { return try bytes(1) == nil } catch Errno.connectionReset { return true }
    }
}
