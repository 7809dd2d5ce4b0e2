/// Why a store could not do an operation, through no fault of the request. The stored data is unchanged.
package enum StoreFailure: Error, Equatable, Sendable {
    /// No room: the disk is full, or the store has reached its size.
    case full
    /// A record that the request needs cannot be read; others can. The text says which one, for the operator.
    case damaged(String)
    /// The engine failed; the text is for its operator, not for clients.
    case unavailable(String)
    /// The engine failed, and this process cannot use it any more; a new process can.
    case lost(String)
    /// The transaction that the request shared with others was rolled back because of another request. None of this
    /// request's writes is kept; the caller makes the request again.
    case rolledBack
}

extension StoreFailure {
    /// A sentence for operators.
    package var explanation: String {
        switch self {
        case .full: "The store is full."
        case .damaged(let what):
            "A stored record is damaged: \(what). \"postroom store repair\" drops damaged records."
        case .rolledBack: "The transaction was rolled back."
        case .unavailable(let reason), .lost(let reason): "The store cannot be used: \(reason)."
        }
    }
}
