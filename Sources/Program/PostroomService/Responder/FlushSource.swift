internal import FastCGI
internal import Logging
internal import Storage
internal import SystemPackage
internal import Values

/// Wakes the loop when the store has made transactions durable in the background, or has failed to.
final class FlushSource: LoopSource {
    private let store: any StorageEngine
    let descriptor: FileDescriptor
    private let logger: Logger

    /// `nil` if the store does nothing in the background.
    init?(_ store: any StorageEngine, _ logger: Logger) {
        guard let descriptor = store.flushDescriptor else { return nil }
        self.store = store
        self.descriptor = descriptor
        self.logger = logger
    }

    var dueMicroseconds: Int64? { nil }

    func work() -> Bool {
        logger.takeNews(of: store)
        return false
    }
}

extension Logger {
    /// Logs what the store has to say about its work in the background. Ends the process if the disk has failed, so that the
    /// store can be recovered.
    func takeNews(of store: any StorageEngine) {
        do throws(StoreFailure) { try store.takeFlushNews() } catch { endIfLost(error) }
        switch store.takeCheckpointNews() {
        case .failing(let reason):
            error(
                "checkpoints of this process fail; it tries again every second. Until one succeeds, the store's file grows, and a start after a crash takes longer",
                metadata: ["reason": "\(reason)"])
        case .succeeding: notice("checkpoints of this process succeed again")
        case nil: break
        }
    }
}
