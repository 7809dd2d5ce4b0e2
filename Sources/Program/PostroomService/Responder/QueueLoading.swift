internal import HTTP
package import Logging
package import Queues
package import Storage
internal import Values

/// Puts QUEUE_CONFIG in force outside of a request.
package struct QueueLoading {
    let store: any StorageEngine
    let settings: Settings

    package init(store: any StorageEngine, settings: Settings) {
        self.store = store
        self.settings = settings
    }

    /// Puts the file in force.
    /// - Returns: the reason if that failed; then the configuration that was in force stays.
    package func load() async throws -> ConfigurationFailure? {
        let handlers = QueueHandlers(store: store, settings: settings)
        switch try await handlers.configure() {
        case .done:
            try store.commit()
            try store.flush()
            return nil
        case .busy: preconditionFailure("no other task is running")
        case .failed(let failure):
            store.rollBack()
            return failure
        }
    }

    /// Puts the file in force at a start. If queues were configured before, they stay when the file is missing or faulty. If
    /// none ever were, a faulty file stops the start, and a missing one means that there are no queues.
    package func start(_ logger: Logger) async throws {
        let isConfigured = try await store.queues.isConfigured()
        let failure: ConfigurationFailure?
        do {
            failure = try await load()
        } catch let error as StoreFailure where isConfigured {
            // Start all the same: what is in a full store can be read and deleted, and that makes room.
            store.rollBack()
            return logger.error(
                "QUEUE_CONFIG cannot be applied; the queues stay as they were", metadata: ["reason": "\(error)"])
        }
        guard let failure else { return }
        if failure == .missing, !isConfigured { return }
        let lines = failure.lines(settings.queueFile)
        guard isConfigured else { throw Refusal("QUEUE_CONFIG: " + lines.joined(separator: "\n")) }
        for line in lines { logger.error("QUEUE_CONFIG: \(line)") }
        logger.error("QUEUE_CONFIG was not applied; the queues stay as they were")
    }
}
