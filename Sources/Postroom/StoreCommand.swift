internal import ArgumentParser
internal import Gateway
internal import Linux
internal import MappedStore
internal import SystemPackage

struct StoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Look after the store in DATA_DIR.",
        subcommands: [Check.self, Compact.self, Export.self, Import.self, Migrate.self])

    /// Opens the store, or says in one line why not.
    static func open(_ access: MappedStore.Options.Access) throws -> (store: MappedStore, settings: Settings) {
        let settings = try Settings.inForce()
        var options = settings.storeOptions
        options.access = access
        return (try MappedStore(directory: settings.dataDirectory, options), settings)
    }
}

extension StoreCommand {
    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hold every record and index against each other; exit status 2 where something is wrong.",
            discussion: "The service may go on meanwhile.")

        func run() throws {
            let check: StoreCheck
            do {
                check = try StoreCommand.open(.readOnly).store.check()
            } catch let error as StoreError where error.isDamage {
                print(error)
                throw Self.damage
            } catch StoreFailure.unavailable(let reason) {
                print(reason)
                throw Self.damage
            }
            for fault in check.faults { print(fault) }
            let counts = [
                "\(check.endpoints) endpoints", "\(check.notifications) notifications", "\(check.queues) queues",
                "\(check.messages) messages", "\(check.webhooks) webhooks",
                "\(check.subscriptions) subscriptions", "\(check.deliveries) deliveries",
            ]
            print("\(counts.joined(separator: ", ")): \(check.faults.isEmpty ? "sound" : "DAMAGED")")
            if !check.faults.isEmpty { throw Self.damage }
        }

        /// Told apart from 1, for a store that cannot be checked at all.
        static let damageStatus: Int32 = 2
        private static let damage = ExitCode(damageStatus)
    }

    struct Compact: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give the disk space of deleted data back to the file system.",
            discussion: "The service must be stopped.")

        func run() throws {
            let (store, settings) = try StoreCommand.open(.exclusive)
            let path = MappedStore.file(in: settings.dataDirectory)
            let copy = FilePath("\(path).compact")
            let before = Files.size(of: path)
            try? Files.remove(copy)
            try store.compact(to: copy)
            try Files.copyOwner(of: path, to: copy)
            try Files.synchronize(copy)
            try Files.move(copy, to: path)
            print("\(before) bytes before, \(Files.size(of: path)) after")
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write all that is kept to standard output, as lines of JSON.",
            discussion: "The service may go on meanwhile.")

        func run() throws {
            let store = try StoreCommand.open(.readOnly).store
            var buffer: [UInt8] = []
            var failure: (any Error)?
            func flush() {
                do { try FileDescriptor.standardOutput.writeAll(buffer) } catch { failure = failure ?? error }
                buffer.removeAll(keepingCapacity: true)
            }
            try store.export(at: store.clock.now()) { line in
                guard failure == nil else { return }
                buffer += line
                buffer.append(UInt8(ascii: "\n"))
                if buffer.count >= 1 << 20 { flush() }
            }
            flush()
            if let failure { throw Refusal("cannot write the export: \(failure)") }
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read an export from standard input into a store that is empty: all of it, or nothing.",
            discussion: "The service must be stopped.")

        func run() throws {
            let store = try StoreCommand.open(.exclusive).store
            var lines = LineReader(.standardInput)
            let counts = try store.import(at: store.clock.now()) { () throws(ImportError) in
                try lines.next()
            }
            let taken = [
                "\(counts.endpoints) endpoints", "\(counts.notifications) notifications", "\(counts.queues) queues",
                "\(counts.messages) messages", "\(counts.webhooks) webhooks",
                "\(counts.subscriptions) subscriptions", "\(counts.deliveries) deliveries",
            ]
            print(taken.joined(separator: ", "))
        }
    }

    struct Migrate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring the store to this program's layout. \"postroom serve\" does so by itself.",
            discussion: "The service must be stopped.")

        func run() throws {
            _ = try StoreCommand.open(.exclusive)
            print("the store has layout \(MappedStore.schemaVersion)")
        }
    }
}

/// Takes a descriptor's bytes apart into lines.
struct LineReader {
    private let descriptor: FileDescriptor
    private var buffer: [UInt8] = []
    private var start = 0
    private var searched = 0
    private var isAtEnd = false

    init(_ descriptor: FileDescriptor) { self.descriptor = descriptor }

    /// The next line without its end, or `nil` after the last.
    mutating func next() throws(ImportError) -> [UInt8]? {
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer {
                    start = end + 1
                    searched = start
                }
                return Array(buffer[start..<end])
            }
            if isAtEnd {
                defer { start = buffer.count }
                return start < buffer.count ? Array(buffer[start...]) : nil
            }
            buffer.removeFirst(start)
            start = 0
            searched = buffer.count
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count: Int
            do {
                count = try unsafe chunk.withUnsafeMutableBytes { unsafe try descriptor.read(into: $0) }
            } catch {
                throw ImportError(reason: "the input cannot be read: \(error)")
            }
            isAtEnd = count == 0
            buffer += chunk[..<count]
        }
    }
}
