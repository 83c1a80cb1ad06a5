// A certified OpenID provider, for TestOIDC and for trying things out:
//
//     scripts/oidc-provider
//     node samples/bookshop/testdata/oidc/server.mjs bin/oidc-provider/node_modules http://localhost:4004 4010
//
// It serves the application at the given address, on the given port or a free one. It prints its own address, then a line for each grant. Any name and password
// sign in; who somebody is comes from the table below. Nothing here is for production: keys, clients and sessions are of this process only.
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const [, , modules, app, port] = process.argv
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`))

const people = {
  alice: { name: 'Alice Ada', roles: ['admin'] },
  sam: { name: 'Sam Support', roles: ['Support'], country: ['DE', 'AT'] },
}

const server = createServer().listen(Number(port ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'bookshop',
      client_secret: 'a secret with spaces & signs: +/%',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [`${app}/auth/callback`],
      post_logout_redirect_uris: [`${app}/auth/logged-out`],
      backchannel_logout_uri: `${app}/auth/backchannel-logout`,
      backchannel_logout_session_required: true,
    }, {
      client_id: 'robot', // a machine, which gets tokens for the shop's services without anybody's login
      client_secret: 'a secret of the robot',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    }],
    pkce: { required: () => true },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    claims: { openid: ['sub', 'sid'], profile: ['name'], bookshop: ['roles', 'country'] },
    scopes: ['openid', 'offline_access', 'profile', 'bookshop'],
    ttl: { AccessToken: 600, IdToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, AuthorizationCode: 60, RefreshToken: 86400 },
    features: {
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ audience: 'bookshop-api', scope: 'admin', accessTokenFormat: 'jwt', accessTokenTTL: 600 }),
      },
    },
    cookies: { keys: ['of this test only'] },
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options), // the shop is on this machine, which its own one refuses
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  })
  provider.on('grant.success', (ctx) => console.log('grant', ctx.oidc.params.grant_type))
  provider.on('backchannel.success', () => console.log('backchannel'))
  provider.on('refresh_token.destroyed', () => console.log('revoked'))
  for (const event of ['grant.error', 'authorization.error', 'end_session.error', 'server_error', 'backchannel.error']) {
    provider.on(event, (ctx, err) => console.error(event, err.message, err.cause ?? '', err.error_description ?? '', err.error_detail ?? ''))
  }
  server.on('request', provider.callback())
  console.log(issuer)
})
