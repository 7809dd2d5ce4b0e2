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
        store.takeFlushNews()
        // It may have failed while no request waits, or the store's map may have grown, which a read notices.
        do throws(StoreFailure) {
            _ = try store.version()
            try store.beginFlush()
        } catch { report(error) }
        return false
    }
}
