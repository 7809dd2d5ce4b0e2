package import Values

/// An error of an API, which says also what its clients are told when the store fails.
package protocol APIFailure: Error {
    init(_ failure: StoreFailure)
}

/// The handlers of an API that has an error type of its own.
package protocol APIHandlers {
    associatedtype Failure: APIFailure
}

extension APIHandlers {
    /// Passes on what a store's failure is to this API's clients.
    package func stored<Value>(_ body: () async throws(StoreFailure) -> Value) async throws(Failure) -> Value {
        do throws(StoreFailure) { return try await body() } catch { throw Failure(error) }
    }

    /// An answer once all that the request has written is kept.
    /// - Parameter response: made then, as others wait for the transaction.
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
