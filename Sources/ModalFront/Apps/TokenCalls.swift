import ModalProtocol
import SwiftProtobuf

/// Who the client is.
struct TokenCalls {
    /// There is one.
    private static let workspace = "cordon"

    func add(to table: inout CallTable) {
        table.unary("ClientHello") { (_: Google_Protobuf_Empty, _) in
            ModalClientHelloResponse.with { $0.imageBuilderVersion = EnvironmentCalls.builderVersion }
        }
        table.unary("AuthTokenGet") { (_: ModalAuthTokenGetRequest, call) in
            let token = try call.front.access.statement(for: call.caller, about: nil)
            return ModalAuthTokenGetResponse.with { $0.token = token }
        }
        table.unary("TokenInfoGet") { (_: ModalTokenInfoGetRequest, call) in
            ModalTokenInfoGetResponse.with {
                $0.tokenID = call.caller.tokenID
                $0.workspaceName = Self.workspace
                $0.workspaceID = Self.workspace
            }
        }
        table.unary("WorkspaceNameLookup") { (_: Google_Protobuf_Empty, call) in
            ModalWorkspaceNameLookupResponse.with {
                $0.workspaceName = Self.workspace
                $0.username = call.caller.tokenID
            }
        }
    }
}
