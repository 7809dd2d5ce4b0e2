import Foundation
import JSON
import JSONPath

// Times queries. The input is a JSON object of "seconds", "documents" and "cases"; each case is an array of a
// document's name and a query. The output has a line for each case: the nanoseconds to compile the query, to prepare
// the document and to evaluate the query, and the number of results.

let input = try JSON(parsing: Array(FileHandle.standardInput.readDataToEndOfFile()))
let seconds = Duration.milliseconds(input["seconds"]?.integer.map { $0 * 1000 } ?? 200)

/// The nanoseconds of one call: the minimum of many batches.
func time(_ work: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let end = clock.now + seconds
    var least = Double.infinity
    var count = 1
    repeat {
        let took = try clock.measure { for _ in 0..<count { try work() } }
        least = min(least, took / .nanoseconds(1) / Double(count))
        if took < .milliseconds(5) { count *= 2 }
    } while clock.now < end
    return least
}

for test in input["cases"]?.array ?? [] {
    guard let name = test.array?.first?.string, let text = test.array?.last?.string,
        let value = input["documents"]?[name]
    else { fatalError("a case is an array of a document's name and a query") }
    let query = try JSONPath(parsing: text)
    let document = JSONPathDocument(value)
    let compiling = try time { _ = try JSONPath(parsing: text) }
    let preparing = time { _ = JSONPathDocument(value) }
    let evaluating = try time { _ = try query.values(in: document) }
    print(compiling, preparing, evaluating, try query.values(in: document).count)
}
