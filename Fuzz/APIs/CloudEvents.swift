@testable import CloudEvents
@testable import Delivery
@testable import Events
@testable import HTTP
@testable import JSON

private let types = [
    "", "application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "text/plain",
    "image/png", "multipart/form-data",
]

/// A request is refused, or has events that can be written in every format and read back.
///
/// The first byte selects the Content-Type. Header lines, an empty line and the body follow.
func fuzzCloudEvents(_ bytes: [UInt8]) {
    guard let choice = bytes.first else { return }
    var fields = FieldList()
    let type = types[Int(choice) % types.count]
    if !type.isEmpty { fields.append(name: "Content-Type".utf8, value: type.utf8) }
    var rest = bytes.dropFirst()
    while let end = rest.firstIndex(of: 0x0a) {
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { break }
        fields.append(name: line[..<colon], value: line[(colon + 1)...])
    }
    guard let intake = try? EventIntake(fields, body: Array(rest)) else { return }
    require(intake.isBatch || intake.events.count == 1, "several events without a batch")
    for event in intake.events {
        guard case .object? = try? JSON(parsing: event.body) else { fatalError("an event is not an object") }
        for extensions in ["{}", #"{"id": "x", "a-b": {"c": 1}, "n": 12345678901, "é": null}"#] {
            for format in Subscription.Format.allCases { write(event.body, format, Array(extensions.utf8)) }
        }
    }
}

private func write(_ body: [UInt8], _ format: Subscription.Format, _ extensions: [UInt8]) {
    guard let shaped = try? EventShape(format: format, extensions: extensions).shape(body, id: "own-id") else {
        fatalError("an event cannot be written")
    }
    switch format {
    case .json:
        guard let value = try? JSON(parsing: shaped.body), case .object? = value["extensions"] else {
            fatalError("the body has no extensions")
        }
    case .structured:
        guard case .object(let members)? = try? JSON(parsing: shaped.body), (try? CloudEvent(checking: members)) != nil
        else { fatalError("the body is not a CloudEvent") }
    case .binary:
        var fields = FieldList()
        for header in shaped.headers {
            require(header.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "a control character in a header")
            fields.append(name: header.name.utf8, value: header.value.utf8)
        }
        let type = fields.firstValue(of: "content-type").map { String(decoding: $0, as: UTF8.self) }
        require(BinaryMode.isUsed(in: fields), "the headers are not those of an event")
        require(
            (try? BinaryMode.read(fields, contentType: type, body: shaped.body)) != nil,
            "the request is not a CloudEvent")
    }
}
