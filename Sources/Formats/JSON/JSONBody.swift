/// Reading the body of a request, with an error for the client.
extension JSON {
    /// - Parameter refusal: makes an error of a sentence.
    package init<Refusal: Error>(
        body: [UInt8], maximumValues: Int = .max, refusal: (String) -> Refusal
    ) throws(Refusal) {
        do throws(JSONError) {
            try self.init(parsing: body, maximumValues: maximumValues)
        } catch {
            throw refusal(error.sentence)
        }
    }
}

extension JSONDocument {
    /// - Parameter refusal: makes an error of a sentence.
    package init<Refusal: Error>(
        body: [UInt8], maximumValues: Int = .max, refusal: (String) -> Refusal
    ) throws(Refusal) {
        do throws(JSONError) {
            try self.init(parsing: body, maximumValues: maximumValues)
        } catch {
            throw refusal(error.sentence)
        }
    }
}

extension JSONError {
    fileprivate var sentence: String { "The body is not JSON: \(self)." }
}
