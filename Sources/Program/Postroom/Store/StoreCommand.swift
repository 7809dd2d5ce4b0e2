internal import ArgumentParser
internal import HTTP
internal import Linux
internal import MappedStore
internal import PostroomService
internal import Storage
internal import SystemPackage
internal import Values

struct StoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Check, repair, back up and restore the store in DATA_DIR.",
        subcommands: [
            Check.self, Compact.self, Export.self, Import.self, Migrate.self, Repair.self, Probe.self, Send.self,
        ])

    /// Opens the store that the settings in force name.
    static func open(_ access: MappedStore.Options.Access) throws -> (store: MappedStore, settings: Settings) {
        let settings = try Settings.inForce()
        if let store = try settings.openDatabase(mayIdle: true) { return (store, settings) }
        var options = settings.storeOptions
        options.access = access
        return (try MappedStore(directory: settings.dataDirectory, options), settings)
    }
}

extension StoreCommand {
    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check every record and index of the store.",
            discussion: """
                Prints a line for each fault, then the counts. The service may keep running. Exit status: 0 if the store is \
                sound, 2 if it is damaged, 1 if it cannot be checked.
                """)

        @OptionGroup var reading: ReadingOptions
        @Flag(help: ArgumentHelp("Print nothing.", visibility: .hidden)) var quiet = false
        func run() throws {
            if try isDoneElsewhere() { return }
            let check: StoreCheck
            do {
                check = try StoreCommand.open(.readOnly).store.check()
            } catch let error as StoreError where error.isDamage {
                throw unreadable("\(error)")
            } catch StoreFailure.damaged(let reason) {
                throw unreadable(reason)
            }
            if quiet { throw check.faults.isEmpty ? ExitCode.success : Self.damage }
            for fault in check.faults { print(fault) }
            let counts = [
                "\(check.endpoints) endpoints", "\(check.notifications) notifications", "\(check.queues) queues",
                "\(check.messages) messages", "\(check.webhooks) webhooks",
                "\(check.subscriptions) subscriptions", "\(check.deliveries) deliveries",
            ]
            print("\(counts.joined(separator: ", ")): \(check.faults.isEmpty ? "sound" : "DAMAGED")")
            if !check.faults.isEmpty { throw Self.damage }
        }

        private func isDoneElsewhere() throws -> Bool {
            // Read the settings first: a fault in them is not damage of the store.
            guard try Settings.inForce().database == nil else { return false }
            do {
                return try StoreReading.isDoneElsewhere(reading, ["check"])
            } catch let error as Refusal {
                // The process that made the check has crashed: the store is damaged.
                print(error)
                throw Self.damage
            }
        }

        private func unreadable(_ reason: String) -> ExitCode {
            if quiet { return ExitCode(Self.unreadableStatus) }
            print("\(reason). \(StoreFile.remedy)")
            return Self.damage
        }

        /// The exit status of a check that finds damage. Status 1 is that of a store that cannot be checked at all.
        static let damageStatus: Int32 = 2
        /// The exit status of a quiet check that cannot read the whole store.
        static let unreadableStatus: Int32 = 3
        private static let damage = ExitCode(damageStatus)
    }

    struct Compact: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Return the disk space of deleted data to the file system.",
            discussion: "Writes a copy of the store, which then replaces it. The service must be stopped.")

        @OptionGroup var reading: ReadingOptions

        func run() throws {
            try Settings.inForce().refuseDatabase("PostgreSQL returns space itself: see its autovacuum and VACUUM FULL")
            if try StoreReading.isDoneElsewhere(reading, ["compact"]) { return }
            let (store, settings) = try StoreCommand.open(.exclusive)
            let path = MappedStore.file(in: settings.dataDirectory)
            let copy = FilePath("\(path).compact")
            let before = Files.size(of: path)
            try? Files.remove(copy)
            do {
                try store.compact(to: copy)
            } catch .damaged(let reason) {
                try? Files.remove(copy)
                throw Refusal("\(reason). \(StoreFile.remedy)")
            }
            try Files.copyOwner(of: path, to: copy)
            try Files.synchronize(copy)
            try Files.move(copy, to: path)
            try Files.synchronizeNames(in: settings.dataDirectory)
            print("\(before) bytes before, \(Files.size(of: path)) after")
        }
    }

    struct Export: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write all stored data to standard output, as lines of JSON.",
            discussion: "\"postroom store import\" reads them. The service may keep running.")

        @Flag(help: "Leave out damaged records, and list them on standard error.") var skipDamaged = false
        @OptionGroup var reading: ReadingOptions

        func run() async throws {
            if try Settings.inForce().database == nil {
                if skipDamaged, reading.parent == nil { return try await exportReadable() }
                if try StoreReading.isDoneElsewhere(reading, ["export"]) { return }
            }
            let output = try ExportOutput(.standardOutput)
            var count = 0
            do {
                try await StoreCommand.open(.readOnly).store.export(
                    to: output, leavingOut: skipDamaged ? { Self.note($0, &count) } : nil)
            } catch StoreFailure.damaged(let reason) {
                throw Refusal(
                    "\(reason). \"postroom store export --skip-damaged\" leaves out damaged records. \(StoreFile.remedy)"
                )
            }
            try output.send()
            if skipDamaged { Self.summarize(count) }
        }

        /// Exports the store, leaving out damaged records. If pages of it are damaged, exports a copy of what can be read.
        private func exportReadable() async throws {
            let settings = try Settings.inForce()
            if case .exited(let status) = try StoreProcess.run(["check", "--quiet"], settings),
                status < Check.unreadableStatus
            {
                var options = reading
                options.parent = nil
                _ = try StoreReading.isDoneElsewhere(options, ["export", "--skip-damaged"])
                return
            }
            let copy = settings.dataDirectory.appending("salvage-\(Machine.processID)")
            try Files.makeDirectory(copy, permissions: .ownerReadWriteExecute)
            defer { try? Files.removeTree(copy) }
            var count = 0
            try StoreReading.salvage(settings, to: copy) { Self.note($0, &count) }
            var options = settings.storeOptions
            options.access = .exclusive
            let output = try ExportOutput(.standardOutput)
            try await MappedStore(directory: copy, options).export(to: output) { Self.note($0, &count) }
            try output.send()
            Self.summarize(count)
        }

        private static func note(_ what: String, _ count: inout Int) {
            count += 1
            _ = try? FileDescriptor.standardError.writeAll(Array("damaged: \(what)\n".utf8))
        }

        private static func summarize(_ count: Int) {
            let text = "\(count) damaged records were left out or rebuilt\n"
            _ = try? FileDescriptor.standardError.writeAll(Array(text.utf8))
        }
    }

    struct Import: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read an export from standard input into an empty store: all of it, or nothing.",
            discussion: "The service must be stopped. DATA_DIR is created if it does not exist.")

        @Flag(help: "Accept an export without its last line: one that was cut off, or that an older version wrote.")
        var incomplete = false

        func run() async throws {
            let settings = try Settings.inForce()
            try settings.makeDataDirectory()
            var options = settings.storeOptions
            (options.access, options.mayReplaceLost) = (.exclusive, true)
            let database = try settings.openDatabase(mayIdle: true)
            let store = try database ?? MappedStore(directory: settings.dataDirectory, options)
            var lines = LineReader(.standardInput)
            let counts: ImportCounts
            do {
                counts = try store.import(at: store.clock.now(), isIncompleteAllowed: incomplete) {
                    () throws(ImportError) in try lines.next()
                }
            } catch {
                throw Refusal("nothing was imported: \(error)")
            }
            try store.detach()
            print(counts.summary)
            if !counts.isComplete { complain("the export has no last line: data may be missing") }
            try await warnOfSecret(settings, store)
            if database == nil { warnOfOwner(settings) }
        }

        /// Warns if the imported credentials cannot be decrypted, and says why.
        private func warnOfSecret(_ settings: Settings, _ store: MappedStore) async throws {
            guard try store.seal() != nil else { return }
            do {
                _ = try await EncryptionSecret(settings, for: store)
            } catch let error as Refusal {
                complain("the service cannot start yet: \(error)")
            }
        }

        /// Warns if the service may not be able to open the files because of their owner.
        private func warnOfOwner(_ settings: Settings) {
            let directory = settings.dataDirectory
            guard let owner = Files.owner(of: directory) else { return }
            let names = [
                "journal", "store.mdb", "store.mdb-lock", "store.lock", "store.mark", "store.mark.lock",
                "store.checkpoint.lock", "store.opening.lock", "store.shared", "store.writers.lock",
            ]
            for name in names {
                guard let other = Files.owner(of: directory.appending(name)), other != owner else { continue }
                return complain(
                    "\(directory)/\(name) belongs to \(other), but the directory to \(owner). Give the files to the user that the service runs as: chown \(owner): \(directory)/store.* \(directory)/journal"
                )
            }
            guard Machine.isRoot else { return }
            complain(
                "\(directory) and the store in it belong to \(owner). If the service runs as another user, give them to that user: chown -R USER: \(directory)"
            )
        }
    }

    struct Migrate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Migrate the store to the layout of this program. \"postroom serve\" does this itself.",
            discussion: "The service must be stopped.")

        @OptionGroup var reading: ReadingOptions

        func run() throws {
            if let parent = reading.parent { Signal.send(Signal.terminate, whenParentDies: parent) }
            do {
                try StoreCommand.open(.exclusive).store.detach()
            } catch let error as StoreError where error.isDamage && reading.parent != nil {
                print("\(error). \(StoreFile.remedy)")
                throw ExitCode(Check.damageStatus)
            }
            print("the store has layout \(MappedStore.schemaVersion)")
        }
    }
}

/// Reads lines from a descriptor.
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
