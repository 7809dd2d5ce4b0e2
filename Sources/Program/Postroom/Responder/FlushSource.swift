internal import FastCGI
internal import Storage
internal import SystemPackage
internal import Values

/// Wakes the loop when the store has made transactions durable in the background, or has failed to.
final class FlushSource: LoopSource {
    private let store: any StorageEngine
    let descriptor: FileDescriptor
    private let report: (StoreFailure) -> Void

    /// `nil` if the store does nothing in the background.
    /// - Parameter report: called with a failure.
    init?(_ store: any StorageEngine, report: @escaping (StoreFailure) -> Void) {
        guard let descriptor = store.flushDescriptor else { return nil }
        self.store = store
        self.descriptor = descriptor
        self.report = report
    }

    var dueMicroseconds: Int64? { nil }

    func work() -> Bool {
        do throws(StoreFailure) { try store.takeFlushNews() } catch { report(error) }
        return false
    }
}
