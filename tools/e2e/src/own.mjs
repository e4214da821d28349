// A browser at a peer's own page: argv[2] is the order as JSON. It limits, pauses, resumes and cancels by the
// buttons, looks at the page in both themes and at the width of a telephone, and prints what it saw as JSON
// lines. After each thing that it did it waits for a line, while others look whether it was really done.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { readFileSync } from 'node:fs'
import path from 'node:path'

const order = JSON.parse(process.argv[2])
const require = createRequire(path.join(process.env.NODE_FOLDER, 'x.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const did = async what => { console.log(JSON.stringify(what)); await lines.next() }
const origin = new URL(order.url).origin
const most = { timeout: 120000 }

const browser = await chromium.launch({ executablePath: order.chromium, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
const faults = []
const elsewhere = []
let asked = ''

async function open (options) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()) })
  page.on('pageerror', error => { faults.push(String(error)) })
  page.on('dialog', dialog => { asked = dialog.message(); dialog.accept() })
  page.on('request', request => { if (!request.url().startsWith(origin)) elsewhere.push(request.url()) })
  await page.goto(order.url)
  await page.waitForSelector('#state[data-state="live"]', most)
  return page
}

const card = (page, name) => page.locator(`article:has(h3:text-is(${JSON.stringify(name)}))`)
const percent = async (page, name) => parseInt(await card(page, name).locator('.facts').textContent())
const button = (page, name, word) => card(page, name).getByRole('button', { name: word })

async function grows (page, name) {
  const before = await percent(page, name)
  while (await percent(page, name) <= before) await page.waitForTimeout(100)
}

async function limit (page, value) {
  await page.fill('#limit-down', value)
  await page.evaluate(() => { document.getElementById('outcome').textContent = '' })
  await page.press('#limit-down', 'Enter')
  await page.waitForFunction(() => document.getElementById('outcome').textContent !== '', null, most)
  return page.textContent('#outcome')
}

async function audit (page, name) {
  await page.evaluate(axe)
  const found = await page.evaluate(() => globalThis.axe.run(document))
  const bad = found.violations.filter(one => ['serious', 'critical'].includes(one.impact))
  await page.screenshot({ path: path.join(order.folder, `own-${name}.png`), fullPage: true })
  return bad.map(one => `${name}: ${one.id} ${one.nodes.map(node => node.target.join(' ')).slice(0, 3).join(', ')}`)
}

const light = await open({ colorScheme: 'light', locale: 'en-GB', viewport: { width: 1100, height: 900 } })
await did({ type: 'open' })
await card(light, order.file).waitFor(most)
await grows(light, order.file)
await did({ type: 'moving', percent: await percent(light, order.file) })
await did({ type: 'limited', outcome: await limit(light, '700') })

await button(light, order.file, 'Pause').click()
await button(light, order.file, 'Resume').waitFor(most)
await did({ type: 'paused', facts: await card(light, order.file).locator('.facts').textContent() })
await button(light, order.file, 'Resume').click()
await button(light, order.file, 'Pause').waitFor(most)
await grows(light, order.file)
await did({ type: 'resumed' })

const strange = await light.evaluate(() => ({
  strangers: document.querySelectorAll('main img, main script, main iframe').length, hacked: globalThis.hacked !== undefined
}))
await button(light, order.cancel, 'Cancel').click()
await card(light, order.cancel).waitFor({ state: 'detached', ...most })
await did({ type: 'cancelled', asked, ...strange })

let bad = await audit(light, 'light')
const dark = await open({ colorScheme: 'dark', locale: 'es-ES', viewport: { width: 1100, height: 900 } })
await card(dark, order.file).waitFor(most)
const spanish = await dark.evaluate(() => [document.documentElement.lang, document.getElementById('limits-title').textContent])
bad = bad.concat(await audit(dark, 'dark'))
const phone = await open({ colorScheme: 'light', locale: 'en-GB', viewport: { width: 360, height: 740 } })
await card(phone, order.file).waitFor(most)
const width = await phone.evaluate(() => document.documentElement.scrollWidth)
bad = bad.concat(await audit(phone, 'phone'))
await did({ type: 'looks', bad, spanish, width })

await limit(phone, '')
while (await percent(phone, order.file) < 100) await phone.waitForTimeout(100)
await button(phone, order.file, 'Cancel').waitFor({ state: 'hidden', ...most })
await did({ type: 'end', faults, elsewhere })
await browser.close()
process.exit(0)
