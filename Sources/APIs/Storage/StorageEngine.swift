package import Capture
package import Delivery
package import Events
package import Linux
package import Queues
package import Webhooks

/// A storage engine as opened by one process: a store for each domain, over one transaction. Used by one thread.
package protocol StorageEngine: TransactionControl, StorageMonitoring, StorageMaintenance, SecretSeal, StorageTransfer {
    associatedtype Capture: CaptureStore, ConfirmationStore, ForwardStore, CaptureMaintenance
    associatedtype Queues: QueueStore, QueueMaintenance, QueueAdministration
    associatedtype Deliveries: DeliveryStore, DeliveryAdministration
    associatedtype Webhooks: WebhookStore, WebhookMaintenance
    associatedtype Events: EventStore, EventAdministration
    associatedtype Matching: MatchingStore
    associatedtype Retention: DeliveryRetention
    associatedtype Clock: StorageClock

    var capture: Capture { get }
    var queues: Queues { get }
    var deliveries: Deliveries { get }
    var webhooks: Webhooks { get }
    var events: Events { get }
    var matching: Matching { get }
    var retention: Retention { get }

    var clock: Clock { get }

    /// Set in supervised processes, so that waiting for another process's lock does not count as being stuck.
    var heartbeat: Heartbeat? { get set }

    /// The version of the store's layout.
    var layoutVersion: UInt64 { get }
}
