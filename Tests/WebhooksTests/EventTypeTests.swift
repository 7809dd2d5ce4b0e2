import JSON
import Testing

@testable import Webhooks

@Suite struct EventTypeTests {
    @Test func `there are the eight documented events, in their order`() {
        #expect(
            EventType.all.map(\.name) == [
                "pipeline-created", "pipeline-download-progress", "pipeline-extraction-progress",
                "pipeline-status-changed", "pipeline-completed", "job-created", "job-status-changed", "job-completed",
            ])
        #expect(EventType.named("job-created")?.category == .job)
        #expect(EventType.named("Job-created") == nil)
    }

    @Test func `the list describes each event type`() throws {
        let list = try #require(try JSON(parsing: eventTypesJSON()).array)
        #expect(list.map { $0["name"]?.string } == EventType.all.map(\.name))
        #expect(list.map { $0["category"]?.string } == EventType.all.map(\.category.rawValue))
        for item in list {
            guard case .object(let members) = item else { throw NoObject() }
            #expect(members.map(\.name) == ["name", "description", "category", "schema", "example"])
            #expect(item["description"]?.string?.hasSuffix(".") == true)
        }
    }

    @Test(arguments: EventType.all)
    func `the example of each event type matches its schema`(type: EventType) throws {
        try check(type.example, against: type.schema)
        #expect(type.example["event"]?.string == type.name)
        #expect(type.example["data"]?[type.key]?.string != nil)
    }

    private struct NoObject: Error {}

    private func check(_ value: JSON, against schema: JSON) throws {
        switch try #require(schema["type"]?.string) {
        case "object":
            guard case .object(let members) = value, case .object(let properties)? = schema["properties"] else {
                throw NoObject()
            }
            #expect(members.map(\.name) == properties.map(\.name))
            for required in schema["required"]?.array ?? [] { #expect(value[required.string ?? ""] != nil) }
            for member in members { try check(member.value, against: try #require(schema["properties"]?[member.name])) }
        case "string":
            #expect(value.string != nil)
            if let constant = schema["const"] { #expect(value == constant) }
        case "integer": #expect(value.integer != nil)
        default:
            guard case .number = value else { throw NoObject() }
        }
    }
}
