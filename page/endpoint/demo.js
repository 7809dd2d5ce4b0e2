// An example: a new endpoint with requests such as providers send them, made up here. It shows handshakes, a delivery with two
// attempts, a form, an attachment, and signatures that are right and wrong.

import { endpoint } from "../common/api.js";

const githubSecret = "postroom demonstration";

const push =
  '{"ref":"refs/heads/main","before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","after":"0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",' +
  '"repository":{"id":186853002,"full_name":"octo-org/mail","private":false},"pusher":{"name":"mona"},' +
  '"commits":[{"id":"0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c","message":"Sort letters by date","added":["sorter.swift"],' +
  '"removed":[],"modified":["README.md"]}]}';

// Its signature is that of the same JSON without blanks.
const issue = JSON.stringify(
  { action: "opened", issue: { number: 17, title: "Letters arrive twice", user: { login: "mona" } }, repository: { full_name: "octo-org/mail" } },
  null, 2,
);

const json = { "Content-Type": "application/json" };

// A PNG of one pixel.
const png = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="), (character) => character.charCodeAt(0),
);

function mail() {
  const form = new FormData();
  form.set("from", "Ada <ada@example.org>");
  form.set("to", "support@example.com");
  form.set("subject", "A picture of the fault");
  form.set("text", "It is one pixel wide.\nAda");
  form.set("attachment1", new File([png], "fault.png", { type: "image/png" }));
  return form;
}

const order = '{"type": "order.paid", "timestamp": "2026-11-30T12:00:00Z", "data": {"order": 9007199254740993, "amount": 12.50, "currency": "EUR"}}';
const orderFields = { ...json, "webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "webhook-timestamp": "1796040000", "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=" };

/** The requests in their order: what is appended to the URL, header fields, body. */
const requests = () => [
  ["", { ...json, "X-Slack-Request-Timestamp": "1796040000" }, '{"token": "XXYYZZ", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "type": "url_verification"}'],
  ["/stripe", { "Content-Type": "application/json; charset=utf-8", "Stripe-Signature": "t=1796040000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd" }, '{\n  "id": "evt_1QSmNn2eZvKYlo2C",\n  "object": "event",\n  "type": "invoice.paid",\n  "data": {\n    "object": {"id": "in_1QSmNm2eZvKYlo2C", "amount_paid": 4200, "currency": "eur"}\n  }\n}'],
  ["/sms", { "X-Twilio-Signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ=" }, new URLSearchParams({ MessageSid: "SM1234567890", From: "+15017122661", To: "+15558675310", Body: "Grüße, zwölf ✓" })],
  ["/orders", orderFields, order],
  ["/orders", orderFields, order],
  ["/mail", {}, mail()],
  ["/github", { ...json, "X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "X-Hub-Signature-256": "sha256=69a2b398240eda64d2a17258ff4530b11abd72df2e74f80652e9f8f169570386" }, push],
  ["/github", { ...json, "X-GitHub-Event": "issues", "X-GitHub-Delivery": "7f1c5a90-cc78-11e3-9d2b-4c9367dc0958", "X-Hub-Signature-256": "sha256=3f04f7395bc2cdaec4fc7e9a6bb28c33a3a57246b96b3d72c3670fbf47beb58e" }, issue],
];

const settings = {
  enabled: true,
  subpaths: true,
  recipes: [{ name: "slack" }],
  responses: [{ when: { path: "/orders" }, then: { sequence: [{ status: 503, headers: { "Retry-After": "5" }, body: "The shop is being counted." }, { status: 200 }] } }],
};

/**
 * Creates the endpoint and sends the requests.
 * @returns its id
 */
export async function demonstrate() {
  const { endpointId: id } = await endpoint.create();
  await endpoint.change(id, settings);
  for (const [path, headers, body] of requests()) {
    // One provider's signatures are checked at an endpoint.
    if (path === "/github") await endpoint.change(id, { enabled: true, verify: { preset: "github", secret: githubSecret } });
    await fetch(endpoint.url(id) + path, { method: "POST", headers, body, cache: "no-store" });
  }
  return id;
}
