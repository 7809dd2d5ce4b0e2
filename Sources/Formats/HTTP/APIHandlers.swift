package import Values

/// An error of an API, which can be made from a failure of the store.
package protocol APIFailure: Error {
    init(_ failure: StoreFailure)
}

/// The handlers of an API that has its own error type.
package protocol APIHandlers {
    associatedtype Failure: APIFailure
}

extension APIHandlers {
    /// Runs `body`, and turns a failure of the store into this API's error.
    package func stored<Value>(_ body: () async throws(StoreFailure) -> Value) async throws(Failure) -> Value {
        do throws(StoreFailure) { return try await body() } catch { throw Failure(error) }
    }

    /// Waits until all that the request has written is kept, then returns the response as its answer.
    /// - Parameter response: makes the response after the wait, as other requests wait for the transaction.
    package func committed(
        _ context: any RequestContext, _ response: () -> Response
    ) async throws(Failure) -> Answer {
        try await stored { () async throws(StoreFailure) in try await context.committed() }
        return .whole(response())
    }

    package func committed(_ response: Response, _ context: any RequestContext) async throws(Failure) -> Answer {
        try await committed(context) { response }
    }
}
