@testable import HTTP

/// A request id that is written and read again is the same.
func fuzzRequestID(_ bytes: [UInt8]) {
    let part = parts(bytes, 2)
    guard let request = RequestID(time: part[0], id: part[1]) else { return }
    let fraction = String(request.milliseconds % 1000)
    let zeros = String(repeating: "0", count: 3 - fraction.count)
    let time = "\(request.milliseconds / 1000).\(zeros)\(fraction)"
    let id = [request.high, request.low].map { number in
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
    let again = RequestID(time: Array(time.utf8)[...], id: Array(id.joined().utf8)[...])
    require(again == request, "another id is read from what was written")
}
