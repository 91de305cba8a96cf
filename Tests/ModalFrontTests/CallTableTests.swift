import Foundation
import ModalFront
import Testing

/// The table of calls against the protocol files, which `make check-protos` holds against the official SDK.
@Suite struct CallTableTests {
    /// What one of the files' services declares.
    private struct Declaration: Hashable {
        var name: String
        var request: String
        var answer: String
        var takesStream: Bool
        var answersStream: Bool
    }

    @Test("every call that the protocol files declare is in the table, with their messages")
    func declaredCalls() throws {
        for (service, file) in [
            (ModalService.client, "control_plane.proto"), (.router, "task_command_router.proto"),
        ] {
            let declared = try declarations(in: file)
            #expect(declared.count > 10)
            let served = ModalFront.signatures.filter { $0.service == service }
            for call in served {
                let declaration = Declaration(
                    name: call.name, request: call.request, answer: call.answer, takesStream: call.takesStream,
                    answersStream: call.answersStream)
                #expect(declared.contains(declaration), "\(call.name) isn't declared so")
            }
            let missing = Set(declared.map(\.name)).subtracting(served.map(\.name)).subtracting(ModalFront.refused)
            #expect(missing.isEmpty)
        }
    }

    @Test("no call is both served and refused, and none is served twice")
    func eachOnce() {
        let names = ModalFront.signatures.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(ModalFront.refused.isDisjoint(with: names))
    }

    private func declarations(in file: String) throws -> Set<Declaration> {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/ModalProtocol/Protos/modal_proto/\(file)")
        let text = try String(contentsOf: path, encoding: .utf8)
        let package = text.firstMatch(of: /package ([\w.]+);/).map { String($0.1) } ?? ""
        return Set(
            text.matches(of: /rpc (\w+)\((stream )?([\w.]+)\) returns \((stream )?([\w.]+)\);/).map { match in
                Declaration(
                    name: String(match.1), request: full(match.3, package), answer: full(match.5, package),
                    takesStream: match.2 != nil, answersStream: match.4 != nil)
            })
    }

    private func full(_ name: Substring, _ package: String) -> String {
        name.contains(".") ? String(name) : "\(package).\(name)"
    }
}
