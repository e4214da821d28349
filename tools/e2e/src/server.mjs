// The tracker on free ports of the loopback interface; says where, and every announce that comes.
import { pathToFileURL } from 'node:url'
import path from 'node:path'

const { default: Server } = await import(pathToFileURL(path.join(process.env.BITTORRENT_TRACKER, 'server.js')))
const server = new Server({ http: true, udp: true, ws: false, stats: false })
const tell = answer => { console.log(JSON.stringify(answer)) }
server.on('error', error => { tell({ type: 'error', text: error.message }); process.exit(1) })
server.on('warning', error => { tell({ type: 'warning', text: error.message }) })
for (const event of ['start', 'complete', 'update', 'stop']) {
  server.on(event, (address, params) => tell({ type: 'announce', event, address, over: params?.type, left: params?.left, port: params?.port }))
}
server.on('listening', () => {
  if (server.http.address() && server.udp4) {
    tell({ type: 'listening', http: server.http.address().port, udp: server.udp4.address().port })
  }
})
server.listen(0, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' })
