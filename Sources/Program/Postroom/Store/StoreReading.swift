internal import ArgumentParser
internal import HTTP
internal import Linux
internal import MappedStore
internal import PostroomService
internal import Storage
internal import SystemPackage
internal import Values

/// The options of a command that another `postroom` command has started to read the store for it.
struct ReadingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Stop when this process, the parent, dies.", visibility: .hidden))
    var parent: Int32?
}

/// Reads stores in a process of its own: LMDB trusts its file, and reading a damaged one may crash the process.
enum StoreReading {
    /// Runs a command of `postroom store` in another process, and returns or throws as that process has ended.
    /// - Parameter arguments: the command and its arguments.
    /// - Returns: false if this process is the other one already, so that the caller has to do the work.
    static func isDoneElsewhere(_ options: ReadingOptions, _ arguments: [String]) throws -> Bool {
        if let parent = options.parent {
            Signal.send(Signal.terminate, whenParentDies: parent)
            return false
        }
        let settings = try Settings.inForce()
        switch try StoreProcess.run(arguments, settings) {
        case .exited(0): return true
        case .exited(let status): throw ExitCode(status)
        case .killed(let signal) where Signal.crashes.contains(signal): throw Refusal(sentence(signal, settings))
        case .killed(let signal): throw ExitCode(128 + signal)
        }
    }

    static func sentence(_ signal: Int32, _ settings: Settings) -> String {
        let fault = StoreFile.fault(in: settings.dataDirectory) ?? "Pages of the file are damaged."
        let path = MappedStore.file(in: settings.dataDirectory)
        return "The store \(path) cannot be read: the process that read it was ended by signal \(signal). \(fault) "
            + StoreFile.remedy
    }

    /// Refuses a store if opening and reading it fails or crashes the process. Another process tries that first.
    static func probe(_ settings: Settings) throws {
        // An empty file is a new store or a lost one: opening it shows which.
        guard Files.size(of: MappedStore.file(in: settings.dataDirectory)) > 0 else { return }
        do throws(StoreError) { try MappedStore.checkJournal(settings.dataDirectory) } catch {
            throw Refusal("cannot open the store: \(error)")
        }
        // A file that is too short may be sound all the same, because its last pages may be free: check the whole store.
        let isShort = StoreFile.fault(in: settings.dataDirectory) != nil
        let ending = try StoreProcess.run(isShort ? ["check", "--quiet"] : ["probe"], settings)
        switch ending {
        case .exited(let status) where status < StoreCommand.Check.unreadableStatus: return
        case .killed(let signal) where Signal.crashes.contains(signal): throw Refusal(sentence(signal, settings))
        case .exited, .killed:
            let fault = StoreFile.fault(in: settings.dataDirectory) ?? "Its check \(ending)."
            throw Refusal(
                "The store \(MappedStore.file(in: settings.dataDirectory)) cannot be read. \(fault) \(StoreFile.remedy)"
            )
        }
    }

    // MARK: Salvage

    /// Copies the readable records of the store's file to a new store in a directory.
    /// - Parameter note: is called with a text for each table, or part of the store, that could not be read completely.
    static func salvage(_ settings: Settings, to directory: FilePath, _ note: (String) -> Void) throws {
        let receiver = try StoreSalvage.Receiver(
            directory: directory, maximumBytes: max(settings.storeOptions.maximumBytes, 64 << 20))
        var damaged: [Int] = []
        var table = 0
        while table < StoreSalvage.tableCount {
            let isDone = try receive(StoreSalvage.Part(table: table), by: receiver, settings)
            for failure in receiver.failures {
                damaged.append(failure.table)
                note("table \(StoreSalvage.name(of: failure.table)): \(failure.reason)")
            }
            guard !isDone else { break }
            // The sending process has crashed in this table, and the records in its buffer are lost: read the table again,
            // with each record sent at once.
            table = receiver.table
            damaged.append(table)
            note("table \(StoreSalvage.name(of: table)): a page of it is damaged")
            _ = try receive(StoreSalvage.Part(table: table, isOnlyOne: true), by: receiver, settings, isCareful: true)
            table += 1
        }
        for table in damaged {
            // Read the table from its beginning once more, to find where the damage begins, and then from its end backwards.
            for isBackwards in [false, true] {
                _ = try receive(
                    StoreSalvage.Part(table: table, isOnlyOne: true, isBackwards: isBackwards), by: receiver, settings,
                    isCareful: true)
            }
        }
        if try receiver.finish() {
            note("the version of the store's layout, which is assumed to be that of this program")
        }
    }

    private static func receive(
        _ part: StoreSalvage.Part, by receiver: StoreSalvage.Receiver, _ settings: Settings, isCareful: Bool = false
    ) throws -> Bool {
        receiver.begin(part)
        let pipe = try FileDescriptor.pipe(options: .closeOnExec)
        defer { try? pipe.readEnd.close() }
        var arguments = ["send", "--table", "\(part.table)"]
        if part.isOnlyOne { arguments.append("--only") }
        if part.isBackwards { arguments.append("--backwards") }
        if isCareful { arguments.append("--careful") }
        let child: ChildProcess
        do {
            child = try StoreProcess.start(arguments, settings, output: pipe.writeEnd)
            try pipe.writeEnd.close()
        } catch {
            try? pipe.writeEnd.close()
            throw error
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try unsafe buffer.withUnsafeMutableBytes { unsafe try pipe.readEnd.read(into: $0) }
            guard count > 0 else { break }
            guard try receiver.take(buffer[..<count]) else {
                child.send(Signal.kill)
                break
            }
        }
        _ = try child.waitForEnding()
        try receiver.flush()
        return receiver.isDone
    }
}

extension StoreCommand {
    /// Opens the store and reads what a start reads.
    struct Probe: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Read what a start reads.", shouldDisplay: false)

        @OptionGroup var reading: ReadingOptions

        func run() throws {
            if let parent = reading.parent { Signal.send(Signal.terminate, whenParentDies: parent) }
            do {
                try MappedStore.probe(Settings.inForce().dataDirectory)
            } catch let error as StoreError where !error.isDamage {
                // The start meets it too, and reports it.
                throw ExitCode.failure
            } catch {
                throw ExitCode(Check.unreadableStatus)
            }
        }
    }

    /// Sends the records of a table and the tables after it, or with `only` of that table alone, to descriptor 3.
    struct Send: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send records to another process.", shouldDisplay: false)

        @OptionGroup var reading: ReadingOptions
        @Option var table: Int
        @Flag var only = false
        @Flag var backwards = false
        @Flag var careful = false

        func run() throws {
            if let parent = reading.parent { Signal.send(Signal.terminate, whenParentDies: parent) }
            try StoreSalvage.send(
                StoreSalvage.Part(table: table, isOnlyOne: only, isBackwards: backwards),
                of: try Settings.inForce().dataDirectory, to: FileDescriptor(rawValue: 3), isCareful: careful)
        }
    }

    struct Repair: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Drop and list the damaged records of the store, and keep the others.",
            discussion: "The service must be stopped. The damaged store is kept as store.mdb.before-repair-TIME.")

        func run() async throws {
            let settings = try Settings.inForce()
            try settings.refuseDatabase("What PostgreSQL cannot read, its backups have")
            let directory = settings.dataDirectory
            let store = MappedStore.file(in: directory)
            guard Files.exists(store) else { throw Refusal("there is no store at \(store)") }
            if let fault = StoreFile.fault(in: directory) { print(fault) }
            if case .exited(0) = try StoreProcess.run(["check"], settings) {
                return print("There is nothing to repair.")
            }
            let lock = try MappedStore.lock(directory)
            defer { withExtendedLifetime(lock) {} }
            let work = directory.appending("repair")
            try Files.removeTree(work)
            for path in [work, work.appending("copy"), work.appending("new")] {
                try Files.makeDirectory(path, permissions: .ownerReadWriteExecute)
            }
            var leftOut = 0
            func note(_ what: String) {
                leftOut += 1
                print("damaged: \(what)")
            }
            if MappedStore.hasUnappliedChanges(directory) {
                note("the changes since the last checkpoint: the journal has them, but they could not be made again")
            }
            try StoreReading.salvage(settings, to: work.appending("copy"), note)
            let counts = try await rebuild(in: work, settings, note)
            let time = Timestamp(microseconds: SystemClock.realTimeMicroseconds()).iso8601()
            let aside = FilePath("\(store).before-repair-\(time.prefix(19).filter { $0 != ":" })")
            let fresh = MappedStore.file(in: work.appending("new"))
            try Files.copyOwner(of: store, to: fresh)
            try Files.synchronize(fresh)
            try Files.addName(aside, to: store)
            try Files.move(fresh, to: store)
            try Files.synchronizeNames(in: directory)
            try? Files.remove(FilePath("\(store)-lock"))
            try Files.removeTree(work)
            print("\(leftOut) damaged records were dropped or rebuilt. Kept: \(counts.summary).")
            print("The damaged store is now \(aside). Remove it when you no longer need it.")
        }

        /// Makes a new store from the salvaged copy: exports the copy and imports its lines.
        private func rebuild(
            in work: FilePath, _ settings: Settings, _ note: @escaping (String) -> Void
        ) async throws -> ImportCounts {
            var options = settings.storeOptions
            options.access = .exclusive
            options.isDurable = false
            let copy = try MappedStore(directory: work.appending("copy"), options)
            let lines = work.appending("lines")
            let output = try FileDescriptor.open(
                lines, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
            do {
                try await copy.export(to: ExportOutput(output), leavingOut: note)
            } catch {
                try? output.close()
                throw error
            }
            try output.close()
            let fresh = try MappedStore(directory: work.appending("new"), options)
            let input = try FileDescriptor.open(lines, .readOnly)
            let counts = try input.closeAfter {
                var reader = LineReader(input)
                return try fresh.import(at: fresh.clock.now(), leavingOut: note) { () throws(ImportError) in
                    try reader.next()
                }
            }
            try fresh.continueNumbers(of: copy)
            try fresh.noteClosed()
            return counts
        }
    }
}

extension ImportCounts {
    var summary: String {
        [
            "\(endpoints) endpoints", "\(notifications) notifications", "\(queues) queues", "\(messages) messages",
            "\(webhooks) webhooks", "\(subscriptions) subscriptions", "\(deliveries) deliveries",
        ].joined(separator: ", ")
    }
}
