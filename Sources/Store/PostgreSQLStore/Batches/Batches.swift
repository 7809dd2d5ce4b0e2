internal import LMDB
internal import MappedStore
internal import Values

/// Gathers the operations of requests, and makes them together: what they read is fetched at once, and what they write is one
/// transaction.
///
/// An operation is a synchronous function over `MappedStore`. It is called again and again, each time with more of the tables
/// fetched, until it has all that it reads; what it wrote before it missed something is undone.
final class Batches {
    private let engine: PostgreSQLEngine
    private let store: MappedStore
    private var waiting: [any BatchOperation] = []

    init(_ engine: PostgreSQLEngine, _ store: MappedStore) { (self.engine, self.store) = (engine, store) }

    /// Whether operations wait for `make`.
    var isEmpty: Bool { waiting.isEmpty }

    /// Has an operation made with the next batch.
    func run<Value>(_ body: @escaping () throws(StoreFailure) -> Value) async throws(StoreFailure) -> Value {
        let operation = GatheredOperation(body)
        waiting.append(operation)
        unsafe await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            operation.resume = { unsafe continuation.resume() }
        }
        return try operation.result()
    }

    /// Has operations made with the next batch. One operation that reads much would have it fetched one after the other.
    func runAll<Item, Value>(
        _ items: [Item], _ body: @escaping (Item) throws(StoreFailure) -> Value
    ) async throws(StoreFailure) -> [Value] {
        guard let last = items.last else { return [] }
        let others = items.dropLast().map { item in GatheredOperation { () throws(StoreFailure) in try body(item) } }
        waiting += others as [any BatchOperation]
        let value = try await run { () throws(StoreFailure) in try body(last) }
        var values: [Value] = []
        for operation in others { values.append(try operation.result()) }
        return values + [value]
    }

    /// Makes the operations that wait, and resumes their requests. What they have written is committed later.
    func make() {
        let operations = waiting
        waiting = []
        let writing = read(operations)
        if !writing.isEmpty { write(writing) }
        for operation in operations { operation.resume() }
    }

    /// Makes the operations that only read, all as of one moment.
    /// - Returns: the others.
    private func read(_ operations: [any BatchOperation]) -> [any BatchOperation] {
        var (left, writing) = (operations, [any BatchOperation]())
        let reads = engine.beginBatchRead()
        defer { engine.endBatchRead() }
        while true {
            left = left.filter { operation in
                reads.isMissing = false
                operation.attempt()
                if engine.takeWriteRequest() {
                    writing.append(operation)
                    return false
                }
                return reads.isMissing
            }
            guard !left.isEmpty else { return writing }
            do throws(LMDBError) { try engine.fetchForBatchRead() } catch {
                for operation in left { operation.fail(StoreFailure(error)) }
                return writing
            }
        }
    }

    /// Makes operations that write, in the open transaction.
    private func write(_ operations: [any BatchOperation]) {
        let isOpen = store.isWriting
        let writes = engine.beginBatchWrite()
        defer { engine.endBatchWrite() }
        if !isOpen {
            // Nothing is known yet: this finds out what to fetch first.
            let anticipated = GatheredOperation { [store] () throws(StoreFailure) in try store.anticipateCommit() }
            for operation in operations + [anticipated] { _ = attempt(operation, writes, isTrial: true) }
        }
        var left = operations
        while !left.isEmpty {
            do throws(LMDBError) { try engine.fetchForBatchWrite() } catch {
                // What was written in this transaction is lost. Requests from before are answered again.
                if isOpen { store.breakTurn(.rolledBack) } else { store.rollBack() }
                for operation in operations { operation.fail(StoreFailure(error)) }
                return
            }
            left = left.filter { !attempt($0, writes) }
        }
    }

    /// - Parameter isTrial: whether all that the operation writes is undone.
    /// - Returns: whether it has ended, with a result or a failure.
    private func attempt(_ operation: any BatchOperation, _ writes: CachedTables, isTrial: Bool = false) -> Bool {
        let mark = writes.mark
        writes.isMissing = false
        operation.attempt()
        let isOver = !writes.isMissing
        if !isOver || isTrial || store.isTurnBroken { writes.undo(to: mark) }
        if store.isTurnBroken { store.mendTurn(on: writes) }
        return isOver
    }
}

/// An operation of a batch.
protocol BatchOperation: AnyObject {
    /// Makes the operation, and keeps its result. A later attempt replaces it.
    func attempt()

    func fail(_ failure: StoreFailure)

    /// Resumes the request that waits for the result.
    var resume: () -> Void { get }
}

private final class GatheredOperation<Value>: BatchOperation {
    private let body: () throws(StoreFailure) -> Value
    private var outcome: Result<Value, StoreFailure>?
    var resume: () -> Void = {}

    init(_ body: @escaping () throws(StoreFailure) -> Value) { self.body = body }

    func attempt() {
        do throws(StoreFailure) { outcome = .success(try body()) } catch { outcome = .failure(error) }
    }

    func fail(_ failure: StoreFailure) { outcome = .failure(failure) }

    func result() throws(StoreFailure) -> Value {
        guard let outcome else { preconditionFailure("an operation was not made") }
        return try outcome.get()
    }
}
