internal import Delivery
internal import Events
internal import HTTP
internal import Linux
internal import Logging
internal import Lookups
internal import Storage

extension EventHandlers {
    convenience init(
        store: any StorageEngine, settings: Settings, sealing: Sealing, lookups: Lookups, background: any Background,
        logger: Logger
    ) {
        var complainsAgainAt: Int64 = 0
        self.init(
            store: store.events, settings: settings.events, urls: TargetChecking(settings, lookups, httpsOnly: false),
            sealing: sealing, background: background, now: store.clock.now, random: SystemRandomNumberGenerator(),
            ignored: {
                let now = SystemClock.bootTimeMicroseconds()
                guard now >= complainsAgainAt else { return }
                complainsAgainAt = now + 3_600_000_000
                logger.warning(
                    "ignoring the header that names the user of a request: set USER_SOURCE=header to trust it",
                    metadata: ["header": "\(settings.events.userHeader)"])
            })
    }
}
