package import Capture
package import Delivery
package import Events
package import Linux
package import Queues
package import Webhooks

/// A storage engine as one process has opened it: a store for each domain, over one transaction. One thread.
package protocol StorageEngine: TransactionControl, StorageMonitoring, StorageMaintenance, SecretSeal, StorageTransfer {
    associatedtype Capture: CaptureStore, CaptureMaintenance
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

    /// Set by processes that are watched: waiting for the lock that another process holds is not being stuck.
    var heartbeat: Heartbeat? { get set }

    /// The version of the layout that the store has.
    var layoutVersion: UInt64 { get }
}
