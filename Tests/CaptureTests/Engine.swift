import Capture
import Gateway
import MappedStore
import SystemPackage
import TestSupport
import Testing

/// The engines that can keep what capture needs. All of them must pass the same tests.
enum Engine: CaseIterable, CustomTestStringConvertible {
    case mapped

    var testDescription: String {
        switch self {
        case .mapped: "MappedStore"
        }
    }

    /// Lends an empty store of this engine.
    func withStore(_ body: (EmptyStore) throws -> Void) throws {
        switch self {
        case .mapped:
            try withTemporaryDirectory { directory in
                let options = MappedStore.Options(maximumBytes: 64 << 20, isDurable: false)
                let store = try MappedStore(directory: directory, options)
                try body(
                    EmptyStore(
                        store: store, commit: { () throws(StoreFailure) in try store.commit() },
                        rollBack: store.rollBack, now: store.clock.now()))
            }
        }
    }
}

/// A store as a test begins with it.
struct EmptyStore {
    let store: any CaptureStore
    let commit: () throws(StoreFailure) -> Void
    let rollBack: () -> Void
    let now: Moment

    func later(_ seconds: Double) -> Moment {
        Moment(wall: now.wall.adding(seconds: seconds), steady: now.steady.adding(seconds: seconds))
    }

    /// A request that nginx has just begun.
    func request(_ number: UInt64) -> RequestID {
        RequestID(milliseconds: UInt64(now.wall.microseconds / 1000), high: 1, low: number)
    }

    /// An id like no other with another number.
    func id(_ number: UInt8) -> Endpoint.ID {
        guard let id = Endpoint.ID(bytes: [UInt8](repeating: number, count: 24)) else {
            fatalError("24 bytes are an id")
        }
        return id
    }

    /// Opens an endpoint and commits that.
    @discardableResult
    func create(_ number: UInt8 = 1, at moment: Moment? = nil, _ limits: CaptureLimits = CaptureLimits()) throws
        -> Endpoint.ID
    {
        _ = try store.create(id(number), for: nil, at: moment ?? now, limits)
        try commit()
        return id(number)
    }

    func notification(_ body: String = "x", path: String = "") -> Notification {
        Notification(method: "POST", path: Array(path.utf8), body: Array(body.utf8), receivedAt: now.wall)
    }

    func accept(
        _ body: String = "x", at id: Endpoint.ID, for request: RequestID? = nil, at moment: Moment? = nil,
        _ limits: CaptureLimits = CaptureLimits()
    ) throws -> Acceptance {
        let acceptance = try store.accept(notification(body), at: id, for: request, at: moment ?? now, limits)
        try commit()
        return acceptance
    }

    func collect(
        from id: Endpoint.ID, for request: RequestID? = nil, at moment: Moment? = nil,
        _ limits: CaptureLimits = CaptureLimits()
    ) throws -> [String]? {
        let found = try store.collect(from: id, for: request, at: moment ?? now, limits)
        try commit()
        return found?.map { String(decoding: $0.notification.body, as: UTF8.self) }
    }

    /// The numbers of what waits.
    func look(
        at id: Endpoint.ID, after number: UInt64 = 0, limit: Int = 100, at moment: Moment? = nil,
        _ limits: CaptureLimits = CaptureLimits()
    ) throws -> [UInt64]? {
        try store.look(at: id, after: number, limit: limit, at: moment ?? now, limits)?.map(\.number)
    }
}
