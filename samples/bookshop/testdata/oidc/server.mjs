// A certified OpenID provider for TestOIDC: node server.mjs NODE_MODULES APP
//
// It prints its address, then a line for each grant. Any name and password sign in; who somebody is comes from the table below.
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const [, , modules, app] = process.argv
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`))

const people = {
  alice: { name: 'Alice Ada', roles: ['admin'] },
  sam: { name: 'Sam Support', roles: ['Support'], country: ['DE', 'AT'] },
}

const server = createServer().listen(0, '127.0.0.1', () => {
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
    }],
    pkce: { required: () => true },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    claims: { openid: ['sub', 'sid'], profile: ['name'], bookshop: ['roles', 'country'] },
    scopes: ['openid', 'offline_access', 'profile', 'bookshop'],
    ttl: { AccessToken: 600, IdToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, AuthorizationCode: 60, RefreshToken: 86400 },
    features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    cookies: { keys: ['of this test only'] },
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options), // the shop is on this machine, which its own one refuses
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  })
  provider.on('grant.success', (ctx) => console.log('grant', ctx.oidc.params.grant_type))
  provider.on('backchannel.success', () => console.log('backchannel'))
  for (const event of ['grant.error', 'authorization.error', 'end_session.error', 'server_error', 'backchannel.error']) {
    provider.on(event, (ctx, err) => console.error(event, err.message, err.cause ?? '', err.error_description ?? '', err.error_detail ?? ''))
  }
  server.on('request', provider.callback())
  console.log(issuer)
})
