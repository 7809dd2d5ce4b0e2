@testable import HTTP
@testable import JSON
@testable import Values
@testable import Webhooks

private let now = Timestamp(microseconds: 1_800_000_000_000_000)

/// A body is refused, or becomes an event whose body is JSON and is read back as the same event.
func fuzzEventInput(_ body: [UInt8]) {
    guard let environment = UUID("00000000-0000-4000-8000-000000000000") else { fatalError("not a UUID") }
    for type in [nil, "job-created"] {
        guard let read = try? EventInput(parsing: body, type: type) else { continue }
        require(EventType.named(read.type) != nil, "an unknown event type")
        require(read.id.map { EventInput.isID($0) && !$0.contains(".") } ?? true, "an invalid id")
        let event = read.event(id: read.id ?? "x", in: environment, at: now)
        guard let again = try? EventInput(parsing: event.body) else { fatalError("the written event is not read") }
        require(again.data == read.data && again.type == read.type, "other data")
        require(again.environment == environment && again.id == read.id ?? "x", "another event")
    }
}
