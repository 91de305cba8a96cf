import CordonAPI
import RESTFront
import SandboxModel
import Testing

@Suite("The contract")
struct ContractTests {
    @Test("the contract and the service have the same operations")
    func sameOperations() throws {
        let described = try Contract().operations
        let served = Set(RESTFront.operations.map { "\($0.method) \($0.path)" })
        #expect(described.subtracting(served) == [])
        #expect(served.subtracting(described) == [])
        #expect(served.count == RESTFront.operations.count)
    }

    static let requests: [(schema: String, fields: [String])] = [
        ("CreateSandbox", CreateSandboxRequest.CodingKeys.allCases.map(\.rawValue)),
        ("UpdateSandbox", UpdateSandboxRequest.CodingKeys.allCases.map(\.rawValue)),
        ("ReplaceTags", ReplaceTagsRequest.CodingKeys.allCases.map(\.rawValue)),
        ("CreateConnectToken", CreateConnectTokenRequest.CodingKeys.allCases.map(\.rawValue)),
        ("ConnectToken", ConnectTokenResponse.CodingKeys.allCases.map(\.rawValue)),
        ("CreateSecret", CreateSecretRequest.CodingKeys.allCases.map(\.rawValue)),
        ("ReplaceSecret", ReplaceSecretRequest.CodingKeys.allCases.map(\.rawValue)),
        ("ChangeSecret", ChangeSecretRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Secret", Secret.CodingKeys.allCases.map(\.rawValue)),
        ("SecretList", SecretList.CodingKeys.allCases.map(\.rawValue)),
        ("CreateVolume", CreateVolumeRequest.CodingKeys.allCases.map(\.rawValue)),
        ("RenameVolume", RenameVolumeRequest.CodingKeys.allCases.map(\.rawValue)),
        ("CopyFile", CopyFileRequest.CodingKeys.allCases.map(\.rawValue)),
        ("VolumeMount", VolumeMountRequest.CodingKeys.allCases.map(\.rawValue)),
        ("CloudBucketMount", CloudBucketRequest.CodingKeys.allCases.map(\.rawValue)),
        ("CloudBucket", CloudBucket.CodingKeys.allCases.map(\.rawValue)),
        ("Volume", Volume.CodingKeys.allCases.map(\.rawValue)),
        ("VolumeList", VolumeList.CodingKeys.allCases.map(\.rawValue)),
        ("VolumeCommits", VolumeCommits.CodingKeys.allCases.map(\.rawValue)),
        ("StartExec", StartExecRequest.CodingKeys.allCases.map(\.rawValue)),
        ("TerminalRequest", TerminalRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Terminal", Terminal.CodingKeys.allCases.map(\.rawValue)),
        ("Resize", ResizeRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Run", RunRequest.CodingKeys.allCases.map(\.rawValue)),
        ("RunFile", RunFileRequest.CodingKeys.allCases.map(\.rawValue)),
        ("RunStarted", RunStarted.CodingKeys.allCases.map(\.rawValue)),
        ("RunResult", RunResult.CodingKeys.allCases.map(\.rawValue)),
        ("RunOutputFile", RunOutputFile.CodingKeys.allCases.map(\.rawValue)),
        ("RunTimings", RunTimings.CodingKeys.allCases.map(\.rawValue)),
        ("FileError", FileErrorBody.CodingKeys.allCases.map(\.rawValue)),
        ("FileInfo", FileInfo.CodingKeys.allCases.map(\.rawValue)),
        ("FileChange", FileChangeEvent.CodingKeys.allCases.map(\.rawValue)),
        ("UnpackedArchive", UnpackedArchive.CodingKeys.allCases.map(\.rawValue)),
        ("FileList", FileList.CodingKeys.allCases.map(\.rawValue)),
        ("MakeDirectory", MakeDirectoryRequest.CodingKeys.allCases.map(\.rawValue)),
        ("RenameFile", RenameFileRequest.CodingKeys.allCases.map(\.rawValue)),
        ("ChangeMode", ChangeModeRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Signal", SignalRequest.CodingKeys.allCases.map(\.rawValue)),
        ("CpuRequest", AmountRequest.CodingKeys.allCases.map(\.rawValue)),
        ("MemoryRequest", AmountRequest.CodingKeys.allCases.map(\.rawValue)),
        ("Sandbox", Sandbox.CodingKeys.allCases.map(\.rawValue)),
        ("Exec", Exec.CodingKeys.allCases.map(\.rawValue)),
        ("EndResult", EndResult.CodingKeys.allCases.map(\.rawValue)),
        ("CompletedExec", CompletedExec.CodingKeys.allCases.map(\.rawValue)),
        ("Event", Event.CodingKeys.allCases.map(\.rawValue)),
        ("CreateSnapshot", CreateSnapshotRequest.CodingKeys.allCases.map(\.rawValue)),
        ("BranchRequest", BranchRequest.CodingKeys.allCases.map(\.rawValue)),
        ("BranchSet", BranchSet.CodingKeys.allCases.map(\.rawValue)),
        ("Branch", Branch.CodingKeys.allCases.map(\.rawValue)),
        ("BranchProgress", BranchProgress.CodingKeys.allCases.map(\.rawValue)),
        ("CreateMount", CreateMountRequest.CodingKeys.allCases.map(\.rawValue)),
        ("PullImage", PullImageRequest.CodingKeys.allCases.map(\.rawValue)),
        ("BuildImage", BuildImageRequest.CodingKeys.allCases.map(\.rawValue)),
        ("BuildContext", BuildContextResponse.CodingKeys.allCases.map(\.rawValue)),
        ("Image", Image.CodingKeys.allCases.map(\.rawValue)),
        ("ImageSettings", ImageSettings.CodingKeys.allCases.map(\.rawValue)),
        ("ImageList", ImageList.CodingKeys.allCases.map(\.rawValue)),
        ("ImageDiff", ImageDiff.CodingKeys.allCases.map(\.rawValue)),
        ("ImageChange", ImageChange.CodingKeys.allCases.map(\.rawValue)),
        ("ImageChangeSide", ImageChangeSide.CodingKeys.allCases.map(\.rawValue)),
        ("ImageTree", ImageTree.CodingKeys.allCases.map(\.rawValue)),
        ("ImageTreeNode", ImageTreeNode.CodingKeys.allCases.map(\.rawValue)),
        ("RemovedImage", RemovedImage.CodingKeys.allCases.map(\.rawValue)),
        ("CollectedImages", CollectedImagesResponse.CodingKeys.allCases.map(\.rawValue)),
        ("ImageProgress", ImageProgress.CodingKeys.allCases.map(\.rawValue)),
        ("Problem", Problem.CodingKeys.allCases.map(\.rawValue)),
    ]

    @Test("each schema has the fields of its type, and no others", arguments: requests)
    func sameFields(_ schema: String, _ fields: [String]) throws {
        #expect(Set(try Contract().properties(of: schema).keys) == Set(fields))
    }

    @Test("the decoder reads every field that a schema describes: a wrong type is refused by its name")
    func readsEveryField() async throws {
        let contract = try Contract()
        try await withFront { front in
            let (id, path) = try await front.makeSandbox()
            _ = try front.makeExec(id)
            let bodies: [(schema: String, method: String, path: String, rest: [String])] = [
                ("CreateSandbox", "POST", "/v1/sandboxes", []),
                ("CreateSidecar", "POST", path + "/sidecars", [#""name":"n""#]), ("UpdateSandbox", "PATCH", path, []),
                ("ReplaceTags", "PUT", path + "/tags", []), ("ReplaceNetwork", "PUT", path + "/network", []),
                ("CreateConnectToken", "POST", path + "/connect-tokens", []),
                ("StartExec", "POST", path + "/execs", [#""argv":["x"]"#]),
                ("CreateSecret", "POST", "/v1/secrets", [#""name":"n""#, #""env":{}"#]),
                ("ReplaceSecret", "PUT", "/v1/secrets/n", []), ("ChangeSecret", "PATCH", "/v1/secrets/n", []),
                ("CreateVolume", "POST", "/v1/volumes", [#""name":"n""#]),
                ("RenameVolume", "PATCH", "/v1/volumes/n", []),
                ("CopyFile", "POST", "/v1/volumes/n/files/copy", [#""path":"/a""#, #""to":"/b""#]),
                ("Signal", "POST", path + "/execs/e1/signal", []),
                ("Resize", "POST", path + "/execs/e1/resize", [#""rows":1"#, #""cols":1"#]),
                ("CreateSnapshot", "POST", path + "/snapshots", []),
                ("BranchRequest", "POST", path + "/branches", [#""count":1"#, #""argv":["x"]"#]),
                ("CreateMount", "POST", path + "/mounts", [#""path":"/a""#]),
                ("PullImage", "POST", "/v1/images/pull", []),
                ("BuildImage", "POST", "/v1/images/build", [#""dockerfile":"FROM scratch""#]),
            ]
            for body in bodies {
                for field in try contract.properties(of: body.schema).keys {
                    // [[]] is of no field's type.
                    let members = ["\"\(field)\":[[]]"] + body.rest.filter { !$0.hasPrefix("\"\(field)\"") }
                    let response = try await front.ask(
                        body.method, body.path, json: "{\(members.joined(separator: ","))}")
                    #expect(response.status == 400, "\(body.schema).\(field)")
                    let named = try response.json()["field"] as? String ?? ""
                    #expect(named == field || named == field + "[0]", "\(body.schema).\(field): \(response.text)")
                    #expect(!response.text.contains("not a known field"))
                }
            }
        }
    }

    @Test("the contract's checker sees what is wrong with an answer")
    func checkerSees() throws {
        let contract = try Contract()
        let schema: [String: Any] = ["$ref": "#/components/schemas/Stdin"]
        #expect(try contract.check(["accepted": 1, "closed": true], schema, "$").isEmpty)
        for wrong in [
            ["accepted": 1], ["accepted": -1, "closed": true], ["accepted": "1", "closed": true],
            ["accepted": 1, "closed": 1], ["accepted": 1, "closed": true, "more": 1],
        ] as [[String: Any]] {
            #expect(try !contract.check(wrong, schema, "$").isEmpty, "\(wrong)")
        }
    }
}
