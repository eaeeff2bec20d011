import { afterAll, beforeAll, expect, it } from "vitest";
import { startApiServer, type ApiServer } from "./api-server.ts";

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(async () => {
  await server.stop();
});

it("issues tokens of service accounts with our audience and shows the keys that verify them", async () => {
  const namespace = await server.createNamespace();
  const token = await server.transport.call({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { audiences: ["hub"] } },
  });
  expect(token).toMatchObject({ status: { token: expect.stringMatching(/^ey/) } });
  const keys = await server.transport.call({ method: "GET", path: "/openid/v1/jwks" });
  expect(keys).toMatchObject({ keys: [{ kty: "RSA" }] });
});
