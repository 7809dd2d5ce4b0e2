internal import Linux
internal import SystemPackage

/// The state that a supervisor hands on to the program that takes its place: its child processes and its descriptors, which
/// stay as they are.
package struct SupervisorState: Equatable {
    /// A child process, and the slot of its heartbeat.
    struct Child: Equatable {
        var processID: Int32
        var slot: Int?
    }

    /// The descriptors of the lock on DATA_DIR, and of the responders' sockets in order.
    package var lock: Int32
    package var sockets: [Int32]
    /// The descriptor of the memory shared with child processes: see `Vitals`.
    package var vitals: Int32
    /// The descriptors of the pipe that nginx writes its messages to: the read end, then the write end.
    package var nginxLog: [Int32] = []
    var nginx: Child?
    var worker: Child?
    /// In order; `nil` for one that waits to be started again.
    var responders: [Child?]
    /// The ids of processes that were asked to end and finish their work.
    var leaving: [Int32]
    /// When the service was started, in microseconds since 1970.
    var started: Int64
    var certificateTimes: [Int64?]
    /// Whether the store must be migrated before the program that takes over can use it.
    package var migrates: Bool

    var encoded: [UInt8] {
        func words(_ child: Child?) -> String { child.map { "\($0.processID):\($0.slot ?? -1)" } ?? "-" }
        func line(_ name: String, _ words: [String]) -> String { ([name] + words).joined(separator: " ") + "\n" }
        func line<Number: BinaryInteger>(_ name: String, _ numbers: [Number]) -> String {
            line(name, numbers.map { "\($0)" })
        }
        var text = "postroom-supervisor 1\n"
        text += line("lock", [lock])
        text += line("vitals", [vitals])
        text += line("nginx", [words(nginx)])
        text += line("worker", [words(worker)])
        text += line("started", [started])
        text += line("migrates", [migrates ? 1 : 0])
        text += line("sockets", sockets)
        text += line("responders", responders.map(words))
        text += line("nginx-log", nginxLog)
        text += line("leaving", leaving)
        text += line("certificates", certificateTimes.map { time in time.map { "\($0)" } ?? "-" })
        return Array(text.utf8)
    }

    /// Reads a state in the form of `encoded`; `nil` if the bytes do not have that form.
    package init?(_ bytes: [UInt8]) {
        var members: [String: [String]] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard let name = words.first else { continue }
            members[name] = Array(words.dropFirst())
        }
        func number<Number: FixedWidthInteger>(_ name: String) -> Number? {
            members[name]?.first.flatMap { Number($0) }
        }
        func child(_ word: String?) -> Child? {
            let parts = (word ?? "").split(separator: ":")
            guard parts.count == 2, let processID = Int32(parts[0]), let slot = Int(parts[1]) else { return nil }
            return Child(processID: processID, slot: slot < 0 ? nil : slot)
        }
        guard members["postroom-supervisor"] == ["1"], let lock: Int32 = number("lock"),
            let vitals: Int32 = number("vitals"), let started: Int64 = number("started"),
            let migrates: Int = number("migrates"), let sockets = members["sockets"], !sockets.isEmpty,
            let responders = members["responders"], responders.count == sockets.count
        else { return nil }
        (self.lock, self.vitals, self.started, self.migrates) = (lock, vitals, started, migrates == 1)
        self.sockets = sockets.compactMap { Int32($0) }
        guard self.sockets.count == sockets.count else { return nil }
        nginx = child(members["nginx"]?.first)
        worker = child(members["worker"]?.first)
        self.responders = responders.map(child)
        nginxLog = (members["nginx-log"] ?? []).compactMap { Int32($0) }
        leaving = (members["leaving"] ?? []).compactMap { Int32($0) }
        certificateTimes = (members["certificates"] ?? []).map { Int64($0) }
    }

    init(
        lock: Int32, sockets: [Int32], vitals: Int32, nginxLog: [Int32] = [], nginx: Child?, worker: Child?,
        responders: [Child?],
        leaving: [Int32], started: Int64, certificateTimes: [Int64?], migrates: Bool
    ) {
        self.lock = lock
        self.sockets = sockets
        self.vitals = vitals
        self.nginxLog = nginxLog
        self.nginx = nginx
        self.worker = worker
        self.responders = responders
        self.leaving = leaving
        self.started = started
        self.certificateTimes = certificateTimes
        self.migrates = migrates
    }
}
