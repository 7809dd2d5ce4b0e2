import Capture
import LMDB
import Linux
import Storage
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// What a start finds after a crash of the machine. `scripts/campaign` shows the same of the whole service.
@Suite struct RecoveryTests {
    private func open(
        _ directory: FilePath, isDurable: Bool = true, boot: String = "a", sets: Bool = true,
        _ access: MappedStore.Options.Access = .shared
    ) throws(StoreError) -> MappedStore {
        var options = MappedStore.Options(
            maximumBytes: 64 << 20, isDurable: isDurable, journalBytes: 1 << 20, access: access)
        options.bootID = boot
        options.setsDurability = sets
        return try MappedStore(directory: directory, options)
    }

    private func copy(_ name: String, from directory: FilePath, to other: FilePath) throws {
        let bytes = try #require(Files.contents(of: directory.appending(name)))
        try? Files.remove(other.appending(name))
        try Files.create(other.appending(name), with: bytes)
    }

    /// The store as a power cut leaves it if the disk has only what was synced: the pages of the last checkpoint, and the
    /// journal.
    private func withPowerCut(
        _ change: (MappedStore) throws -> Void, _ body: (FilePath) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            try withTemporaryDirectory { image in
                let store = try open(directory)
                try store.create(1)
                try store.commit()
                try store.checkpoint()
                try copy("store.mdb", from: directory, to: image)
                let checkpoint = store.core.durability!.shared.checkpoint
                try change(store)
                try store.flush()
                #expect(store.isDurable(store.ticket))
                if store.core.durability!.shared.checkpoint > checkpoint {
                    try copy("store.mdb", from: directory, to: image)
                }
                try copy("journal", from: directory, to: image)
                try copy("store.mark", from: directory, to: image)
                try body(image)
            }
        }
    }

    @Test func `what is durable is there after a power cut, in every number of transactions`() throws {
        for count in [0, 1, 2, 50, 700] {
            try withPowerCut { store in
                for _ in 0..<count {
                    #expect(try store.accept([UInt8](repeating: 1, count: 1000), at: 1) == .stored)
                    try store.commit()
                }
            } _: { image in
                let store = try open(image, boot: "b")
                #expect(try store.waiting(at: 1)?.count == count)
                #expect(try store.check().faults == [])
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
                // All numbers that were given are known: there is no gap.
                #expect(try store.waiting(at: 1) == (1...UInt64(count + 1)).map { $0 })
            }
        }
    }

    @Test func `a transaction that is larger than the journal is durable`() throws {
        try withPowerCut { store in
            for _ in 0..<20 { #expect(try store.accept([UInt8](repeating: 1, count: 100_000), at: 1) == .stored) }
            try store.commit()
            #expect(!store.isDurable(store.ticket))
        } _: { image in
            let recovered = try open(image, boot: "b")
            #expect(try recovered.waiting(at: 1)?.count == 20)
        }
    }

    @Test func `a process that reads has the store recovered first`() throws {
        try withPowerCut { store in
            for _ in 0..<30 {
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
            }
        } _: { image in
            let store = try open(image, boot: "b", sets: false, .readOnly)
            #expect(try store.waiting(at: 1)?.count == 30)
        }
    }

    @Test
    func `with the durability of a process, a power cut undoes what came since the checkpoint, and tells clients`()
        throws
    {
        try withTemporaryDirectory { directory in
            let time: UInt64
            do {
                let store = try open(directory, isDurable: false)
                try store.create(1)
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
                try store.checkpoint()
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
                time = try store.queues.time()
            }
            try withTemporaryDirectory { image in
                do {
                    // The same start of the machine: nothing is lost.
                    let store = try open(directory, isDurable: false)
                    #expect(try store.waiting(at: 1) == [1, 2])
                    #expect(try store.accept(at: 1) == .stored)
                    try store.commit()
                    for name in ["store.mdb", "journal", "store.mark"] { try copy(name, from: directory, to: image) }
                }
                // A command that reads does not take the news from the service.
                do {
                    let store = try open(image, isDurable: false, boot: "b", sets: false, .readOnly)
                    #expect(try store.waiting(at: 1) == [1, 2])
                }
                let store = try open(image, isDurable: false, boot: "b")
                #expect(try store.waiting(at: 1) == [1, 2])
                #expect(try store.queues.time() > time)
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
                #expect(try store.waiting(at: 1)!.last! > 1000)
            }
        }
    }

    @Test func `the store keeps its durability, whatever a command asks for`() throws {
        try withTemporaryDirectory { directory in
            do { #expect(try open(directory).core.durability!.shared.isJournaled) }
            do { #expect(try open(directory, isDurable: false, sets: false).core.durability!.shared.isJournaled) }
            let service = try open(directory, isDurable: false)
            #expect(!service.core.durability!.shared.isJournaled)
            #expect(try !open(directory, isDurable: true).core.durability!.shared.isJournaled)
        }
    }

    @Test func `a store without the journal that it needs is refused, and one that was closed is not`() throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory)
                try store.create(1)
                try store.commit()
            }
            let journal = JournalFile.path(in: directory)
            let kept = try #require(Files.contents(of: journal))
            try Files.remove(journal)
            let error = #expect(throws: StoreError.self) { try open(directory) }
            #expect(error?.description.contains("needs its journal") == true)
            #expect(throws: StoreError.self) { try open(directory, sets: false, .readOnly) }

            try Files.create(journal, with: kept)
            do { try open(directory).noteClosed() }
            try Files.remove(journal)
            #expect(try open(directory).waiting(at: 1) == [])
        }
    }

    @Test func `an older store beside a journal is refused`() throws {
        try withTemporaryDirectory { directory in
            try withTemporaryDirectory { other in
                let store = try open(directory)
                try copy("store.mdb", from: directory, to: other)
                try store.create(1)
                try store.commit()
                try store.checkpoint()
                try copy("journal", from: directory, to: other)
                let error = #expect(throws: StoreError.self) { try open(other) }
                #expect(error?.description.contains("is older than") == true)
            }
        }
    }

    @Test func `after a failure of the disk nothing is acknowledged until the store is recovered`() throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory)
                try store.create(1)
                try store.commit()
                try store.flush()
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
                store.core.durability?.shared.setBroken()
                for attempt in [{ try store.flush() }, { _ = try store.accept(at: 1) }] as [() throws -> Void] {
                    let failure = #expect(throws: StoreFailure.self) { try attempt() }
                    guard case .lost? = failure else {
                        Issue.record("\(String(describing: failure))")
                        continue
                    }
                }
                store.rollBack()
                let error = #expect(throws: StoreError.self) { try open(directory) }
                #expect(error?.awaitsRecovery == true)
            }
            let store = try open(directory)
            #expect(try store.accept(at: 1) == .stored)
            try store.commit()
            try store.flush()
            #expect(store.isDurable(store.ticket))
        }
    }

    @Test func `pages of a checkpoint are not used again before the next one`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.create(1)
            try store.commit()
            try store.checkpoint()
            let anchor = store.core.durability!.shared.checkpoint
            for _ in 0..<50 {
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
                let oldest = try #require(store.core.itsFile.environment.oldestReader())
                #expect(oldest <= anchor)
            }
            try store.checkpoint()
            #expect(store.core.durability!.shared.checkpoint > anchor)
        }
    }

    @Test func `processes that share a store write frames in one order`() throws {
        try withPowerCut { store in
            let other = try open(store.core.itsFile.path.removingLastComponent())
            for number in 0..<40 {
                let writer = number % 2 == 0 ? store : other
                #expect(try writer.accept(at: 1) == .stored)
                try writer.commit()
            }
            #expect(store.ticket < other.ticket)
            try other.flush()
        } _: { image in
            let recovered = try open(image, boot: "b")
            #expect(try recovered.waiting(at: 1)?.count == 40)
        }
    }

    @Test func `a frame whose place another process has taken is gone once its transaction has failed`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.create(1)
            try store.commit()
            let other = try open(directory)
            let durability = try #require(store.core.durability)
            func failing() throws(LMDBError) -> Durability.WrittenFrame? {
                var transaction = try store.core.itsFile.environment.beginWrite()
                try durability.begin(&transaction)
                try store.core.tables.touched.put((), in: &transaction)
                return try durability.writeFrame(of: &transaction)
            }
            let frame = try #require(try failing())
            // A sync that another process makes at this moment takes the frame to the disk.
            #expect(try other.accept(at: 1) == .stored)
            try other.commit()
            #expect(other.ticket == frame.id)
            durability.erase(frame)
            #expect(other.isDurable(other.ticket))
        }
    }
}
