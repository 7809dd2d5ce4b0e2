internal import HTTP
package import JSON
internal import Values

extension JSONArrayParts: BodyParts where Failure == StoreFailure {}
