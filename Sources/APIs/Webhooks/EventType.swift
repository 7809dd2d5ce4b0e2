internal import JSON

/// A type of event that webhooks can subscribe to.
package struct EventType: Equatable, Sendable {
    package enum Category: String, Equatable, Sendable {
        case pipeline, job
    }

    package let name: String
    /// A sentence for users who choose events.
    package let description: String
    package let category: Category
    /// The members of an event's `data`.
    let properties: [EventProperty]

    package static func named(_ name: String) -> EventType? { byName[name] }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// All types, in the order in which the API has always listed them.
    package static let all = [
        EventType(
            name: "pipeline-created", description: "A pipeline was created.", category: .pipeline,
            properties: [.pipelineID, .name("Castle"), .status("created"), .time("created_at")]),
        EventType(
            name: "pipeline-download-progress",
            description: "The source of a pipeline is being downloaded; the event reports the progress.",
            category: .pipeline,
            properties: [
                .pipelineID, .progress, .bytes("downloaded_bytes", 1_572_864), .bytes("total_bytes", 6_291_456),
            ]),
        EventType(
            name: "pipeline-extraction-progress",
            description: "The source of a pipeline is being extracted; the event reports the progress.",
            category: .pipeline,
            properties: [.pipelineID, .progress, .count("extracted_files", 12), .count("total_files", 48)]),
        EventType(
            name: "pipeline-status-changed", description: "The status of a pipeline changed.", category: .pipeline,
            properties: [.pipelineID, .status("running"), .previousStatus("created"), .time("changed_at")]),
        EventType(
            name: "pipeline-completed", description: "A pipeline ended, successfully or not.", category: .pipeline,
            properties: [.pipelineID, .status("succeeded"), .error, .time("completed_at")]),
        EventType(
            name: "job-created", description: "A job was created.", category: .job,
            properties: [.jobID, .pipelineID, .name("convert"), .status("created"), .time("created_at")]),
        EventType(
            name: "job-status-changed", description: "The status of a job changed.", category: .job,
            properties: [.jobID, .pipelineID, .status("running"), .previousStatus("created"), .time("changed_at")]),
        EventType(
            name: "job-completed", description: "A job ended, successfully or not.", category: .job,
            properties: [.jobID, .pipelineID, .status("succeeded"), .error, .time("completed_at")]),
    ]
}

/// A member of an event's `data`.
struct EventProperty: Equatable, Sendable {
    let name: String
    /// The type's name in JSON Schema.
    let type: String
    var format: String?
    let description: String
    let example: JSON

    static let pipelineID = EventProperty(
        name: "pipeline_id", type: "string", format: "uuid", description: "The id of the pipeline.",
        example: .string("7d3c2f0e-5a51-4d0b-9a43-0d3a1f6c2b7e"))
    static let jobID = EventProperty(
        name: "job_id", type: "string", format: "uuid", description: "The id of the job.",
        example: .string("c1a9e6d4-2b3f-4f7e-8c55-6e0f9b8a7d21"))
    static let progress = EventProperty(
        name: "progress", type: "number", description: "The progress, from 0 to 1.", example: .number("0.25"))
    static let error = EventProperty(
        name: "error", type: "string", description: "Why it failed; empty if it succeeded.", example: .string(""))

    static func name(_ example: String) -> EventProperty {
        EventProperty(name: "name", type: "string", description: "The name.", example: .string(example))
    }

    static func status(_ example: String) -> EventProperty {
        EventProperty(name: "status", type: "string", description: "The new status.", example: .string(example))
    }

    static func previousStatus(_ example: String) -> EventProperty {
        EventProperty(
            name: "previous_status", type: "string", description: "The previous status.", example: .string(example))
    }

    static func time(_ name: String) -> EventProperty {
        EventProperty(
            name: name, type: "string", format: "date-time", description: "When this happened.",
            example: .string(EventType.exampleTime))
    }

    static func bytes(_ name: String, _ example: Int) -> EventProperty {
        EventProperty(name: name, type: "integer", description: "A number of bytes.", example: .number(String(example)))
    }

    static func count(_ name: String, _ example: Int) -> EventProperty {
        EventProperty(name: name, type: "integer", description: "A number of files.", example: .number(String(example)))
    }
}

extension EventType {
    static let exampleTime = "2026-11-22T06:05:37.619Z"

    /// The property that identifies the pipeline or job. Publishers may leave out or add other properties, so receivers
    /// can rely only on this one.
    var key: String { category == .pipeline ? "pipeline_id" : "job_id" }

    var exampleData: JSON { .object(properties.map { JSON.Member($0.name, $0.example) }) }

    /// An example of what a receiver is sent.
    var example: JSON {
        .object([
            JSON.Member("event", .string(name)),
            JSON.Member("event_id", .string("3f1c9f52-8e0a-4f0e-9d6b-2f7a1c5e4b90")),
            JSON.Member("environment_id", .string("0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50")),
            JSON.Member("timestamp", .string(Self.exampleTime)), JSON.Member("data", exampleData),
        ])
    }

    /// The JSON Schema (draft 2020-12) of what a receiver is sent.
    var schema: JSON {
        func text(_ description: String, format: String? = nil) -> JSON {
            EventProperty.schema(type: "string", format: format, description)
        }
        let data = JSON.object([
            JSON.Member("type", .string("object")), JSON.Member("properties", .object(properties.map(\.schema))),
            JSON.Member("required", .array([.string(key)])),
        ])
        let members = [
            JSON.Member(
                "event", .object([JSON.Member("type", .string("string")), JSON.Member("const", .string(name))])),
            JSON.Member("event_id", text("Identifies the event in its environment; the same in every attempt.")),
            JSON.Member("environment_id", text("The environment of the event.", format: "uuid")),
            JSON.Member("timestamp", text("When the event happened.", format: "date-time")), JSON.Member("data", data),
        ]
        return .object([
            JSON.Member("type", .string("object")), JSON.Member("properties", .object(members)),
            JSON.Member("required", .array(members.map { .string($0.name) })),
        ])
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("name", name)
            json.member("description", description)
            json.member("category", category.rawValue)
            json.member("schema", schema)
            json.member("example", example)
        }
    }
}

extension EventProperty {
    fileprivate var schema: JSON.Member {
        JSON.Member(name, Self.schema(type: type, format: format, description))
    }

    fileprivate static func schema(type: String, format: String?, _ description: String) -> JSON {
        var members = [JSON.Member("type", .string(type))]
        if let format { members.append(JSON.Member("format", .string(format))) }
        members.append(JSON.Member("description", .string(description)))
        return .object(members)
    }
}

/// The list of events: an array.
package func eventTypesJSON() -> [UInt8] {
    arrayJSON(EventType.all) { json, type in type.write(to: &json) }
}
