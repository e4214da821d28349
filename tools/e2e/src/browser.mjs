// A browser at the page: argv[2] is the order as JSON. It watches a transfer until it is whole, looks at the page in
// both themes and at the width of a telephone, and prints what it saw as JSON lines.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import path from 'node:path'

const order = JSON.parse(process.argv[2])
const require = createRequire(path.join(process.env.NODE_FOLDER, 'x.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const tell = what => { console.log(JSON.stringify(what)) }

const browser = await chromium.launch({ executablePath: order.chromium, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
const faults = []
const elsewhere = []

async function open (options) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()) })
  page.on('pageerror', error => { faults.push(String(error)) })
  page.on('dialog', dialog => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss() })
  page.on('request', request => { if (!request.url().startsWith(order.url)) elsewhere.push(request.url()) })
  await page.goto(order.url)
  await page.waitForSelector('#state[data-state="live"]', { timeout: 60000 })
  return page
}

const card = name => `article:has(h3:text-is(${JSON.stringify(name)}))`

// What the card of the file says of a nick, and how many flows are drawn.
const look = (page, name, nick) => page.evaluate(([name, nick]) => {
  const card = [...document.querySelectorAll('article.share')].find(one => one.querySelector('h3').textContent === name)
  const row = [...card?.querySelectorAll('.holders li') ?? []].find(one => one.querySelector('.who').textContent === nick)
  return {
    percent: row ? parseInt(row.querySelector('.amount').textContent) : null,
    whole: (card?.querySelector('.complete').textContent ?? '').includes(nick),
    flows: document.querySelectorAll('.swarm .arc').length,
    savings: card?.querySelector('.savings').textContent ?? ''
  }
}, [name, nick])

async function audit (page, name) {
  await page.evaluate(axe)
  const found = await page.evaluate(() => globalThis.axe.run(document))
  const bad = found.violations.filter(one => ['serious', 'critical'].includes(one.impact))
  await page.screenshot({ path: path.join(order.folder, `${name}.png`), fullPage: true })
  return bad.map(one => `${name}: ${one.id} ${one.nodes.map(node => node.target.join(' ')).slice(0, 3).join(', ')}`)
}

const light = await open({ colorScheme: 'light', locale: 'en-GB', viewport: { width: 1360, height: 1000 } })
tell({ type: 'open' })
const seen = []
let flows = 0
let end = null
const deadline = Date.now() + 120000
while (!end && Date.now() < deadline) {
  const now = await look(light, order.file, order.nick)
  flows = Math.max(flows, now.flows)
  if (now.percent !== null && now.percent !== seen.at(-1)) seen.push(now.percent)
  if (now.flows > 0 && now.percent > 10 && !tell.shot) {
    tell.shot = true
    await light.screenshot({ path: path.join(order.folder, 'moving.png'), fullPage: true })
  }
  if (now.whole) end = now
  else await light.waitForTimeout(100)
}
tell({ type: 'transfer', seen, flows, end })

const text = await light.evaluate(() => ({
  headings: [...document.querySelectorAll('h3')].map(one => one.textContent),
  messages: [...document.querySelectorAll('#messages .said')].map(one => one.textContent),
  nicks: [...document.querySelectorAll('#peers th')].map(one => one.textContent),
  strangers: document.querySelectorAll('main img:not([src^="/"]):not([width]), main script, main iframe').length,
  hacked: globalThis.hacked !== undefined
}))
tell({ type: 'text', ...text })

// By keyboard alone: the first stop is the way past the head, and the details of the picture open.
await light.keyboard.press('Tab')
const first = await light.evaluate(() => document.activeElement.className)
await light.focus('.picture summary')
await light.keyboard.press('Enter')
const table = await light.isVisible('#peers th')
await light.locator(`${card(order.file)} .qr summary`).focus()
await light.keyboard.press('Enter')
await light.waitForFunction(() => [...document.querySelectorAll('.qr[open] img')].some(one => one.complete && one.naturalWidth > 0), null, { timeout: 60000 })
tell({ type: 'keyboard', first, table })

let bad = await audit(light, 'light')
const dark = await open({ colorScheme: 'dark', locale: 'es-ES', viewport: { width: 1360, height: 1000 } })
await dark.waitForSelector(card(order.file))
const spanish = await dark.evaluate(() => [document.documentElement.lang, document.getElementById('files-title').textContent])
bad = bad.concat(await audit(dark, 'dark'))
const phone = await open({ colorScheme: 'light', locale: 'en-GB', viewport: { width: 360, height: 740 } })
await phone.waitForSelector(card(order.file))
const width = await phone.evaluate(() => document.documentElement.scrollWidth)
bad = bad.concat(await audit(phone, 'phone'))
tell({ type: 'looks', bad, spanish, width })

// The operator kicks somebody.
await light.locator('#operator summary').click()
await light.fill('#token', order.token)
await light.press('#token', 'Enter')
await light.waitForSelector('#act:not([hidden])', { timeout: 60000 })
await light.selectOption('#action', 'kick')
await light.fill('#who', order.kick)
await light.fill('#what', 'noise')
await light.press('#what', 'Enter')
await light.waitForFunction(nick => ![...document.querySelectorAll('#peers th')].some(one => one.textContent === nick), order.kick, { timeout: 60000 })
tell({ type: 'end', faults, elsewhere })
await browser.close()
process.exit(0)
