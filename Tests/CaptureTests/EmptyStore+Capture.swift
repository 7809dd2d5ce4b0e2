import Capture
import HTTP
import MappedStore
import StoreSupport
import Values

/// Short forms of capture's operations.
extension EmptyStore {
    /// An id that is different for each number.
    func id(_ number: UInt8) -> Endpoint.ID {
        guard let id = Endpoint.ID(bytes: [UInt8](repeating: number, count: 24)) else {
            fatalError("24 bytes are an id")
        }
        return id
    }

    /// Creates an endpoint, and commits.
    @discardableResult
    func create(_ number: UInt8 = 1, at time: Moment? = nil, _ limits: CaptureLimits = CaptureLimits()) throws
        -> Endpoint.ID
    {
        _ = try capture.create(id(number), for: nil, at: time ?? moment, limits)
        try commit()
        return id(number)
    }

    func notification(_ body: String = "x", path: String = "") -> Notification {
        Notification(method: "POST", path: Array(path.utf8), body: Array(body.utf8), receivedAt: moment.wall)
    }

    func accept(
        _ body: String = "x", at id: Endpoint.ID, for request: RequestID? = nil, at time: Moment? = nil,
        _ limits: CaptureLimits = CaptureLimits()
    ) throws -> Acceptance {
        let acceptance = try capture.accept(notification(body), at: id, for: request, at: time ?? moment, limits)
        try commit()
        return acceptance
    }

    func collect(
        from id: Endpoint.ID, for request: RequestID? = nil, at time: Moment? = nil,
        _ limits: CaptureLimits = CaptureLimits()
    ) throws -> [String]? {
        let found = try capture.collect(from: id, for: request, at: time ?? moment, limits, mayBeLong: true)
        try commit()
        return try all(found)?.map { String(decoding: $0.notification.body, as: UTF8.self) }
    }

    /// The notifications that were found, all of them if they are many; `nil` if the endpoint is unknown.
    func all(_ found: Finding) throws -> [NumberedNotification]? {
        switch found {
        case .unknownEndpoint, .tooLong: return nil
        case .notifications(let notifications): return notifications
        case .long(let range):
            return try capture.page(of: range, from: range.first, atMost: .max).map(\.numbered)
        }
    }

    /// The numbers of the notifications that are not collected.
    func look(
        at id: Endpoint.ID, after number: UInt64 = 0, limit: Int = 100, at time: Moment? = nil,
        _ limits: CaptureLimits = CaptureLimits()
    ) throws -> [UInt64]? {
        try look(at: id, .after(number), limit: limit, at: time, limits)
    }

    func look(
        at id: Endpoint.ID, _ position: Position, limit: Int = 100, at time: Moment? = nil,
        _ limits: CaptureLimits = CaptureLimits()
    ) throws -> [UInt64]? {
        try all(capture.look(at: id, position, limit: limit, at: time ?? moment, limits, mayBeLong: true))?
            .map(\.number)
    }
}
