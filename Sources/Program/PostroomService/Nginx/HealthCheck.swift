package import SystemPackage

package enum HealthCheck {
    /// Asks `/healthz` through nginx on its local socket.
    package static func passes(_ socket: FilePath, _ mountPoint: String) -> Bool {
        let response = try? LocalResponse.get("\(mountPoint)/healthz", at: socket, timeoutSeconds: 5)
        return response?.status == 200
    }
}
