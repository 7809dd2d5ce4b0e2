import PostgreSQL
import StoreSupport
import Testing

@testable import PostgreSQLStore

@Suite(.enabled(if: TestDatabase.isThere, "there is no server; scripts/with-postgresql starts one"))
struct PostgreSQLPipelineTests {
    private func withPipeline(_ body: (PostgreSQLPipeline) throws -> Void) throws {
        let database = try TestDatabase()
        try body(try PostgreSQLPipeline(database.settings.parameters))
    }

    private func run(_ statements: [String], on pipeline: PostgreSQLPipeline) throws -> PostgreSQLGroup {
        for statement in statements { try pipeline.send(statement) }
        try pipeline.endGroup()
        return try #require(try pipeline.waitForAll().last)
    }

    @Test func `after a failure the rest of a group is left out, and the next group is carried out`() throws {
        try withPipeline { pipeline in
            let failed = try run(["select 1", "select 1 / 0", "select 2"], on: pipeline)
            #expect(failed.failure?.state == "22012")
            #expect(failed.rows.count == 1)
            // It was not prepared when it was sent first.
            let next = try run(["select 2", "select 1 / 1", "select 1"], on: pipeline)
            #expect(next.failure == nil)
            #expect(next.rows.map { $0.first?.integer(0) } == [2, 1, 1])
        }
    }

    @Test func `a statement that cannot be prepared fails each time with its own error`() throws {
        try withPipeline { pipeline in
            for _ in 0..<2 {
                let failed = try run(["select nothing"], on: pipeline)
                #expect(failed.failure?.state == "42703")
            }
            let next = try run(["select 3"], on: pipeline)
            #expect(next.rows.last?.first?.integer(0) == 3)
        }
    }

    @Test func `values come back as they were sent`() throws {
        try withPipeline { pipeline in
            let bytes = (0...255).map { UInt8($0) }
            let integers: [Int64] = [0, -1, .max, .min, 1 << 40]
            for value in integers {
                try pipeline.send("select $1", [.integer(value)])
                try pipeline.endGroup()
                let rows = try pipeline.waitForAll().last?.rows.last
                #expect(rows?.first?.integer(0) == value)
            }
            for list in [[], [[]], [bytes, [], [0]]] as [[[UInt8]]] {
                try pipeline.send("select unnest($1)", [.list(list)])
                try pipeline.endGroup()
                let rows = try pipeline.waitForAll().last?.rows.last
                #expect(rows?.map { $0.bytes(0) ?? [] } == list)
            }
            try pipeline.send("select $1, $2", [.bytes(nil), .bytes([])])
            try pipeline.endGroup()
            let rows = try pipeline.waitForAll().last?.rows.last
            #expect(rows?.first?.values == [nil, []])
        }
    }

    @Test func `a connection that the server has ended is reported as lost`() throws {
        try withPipeline { pipeline in
            #expect(throws: PostgreSQLError.self) {
                _ = try run(["select pg_terminate_backend(pg_backend_pid())"], on: pipeline)
                _ = try run(["select 1"], on: pipeline)
            }
        }
    }
}
