import { createRoot } from 'react-dom/client';
import { workerClock } from './lib/clock';
import { Client } from './state/client';
import { App } from './ui/App';
import { ClientProvider } from './ui/context';
import { applyTheme } from './ui/theme';
import './ui/styles.css';

applyTheme();
const client = new Client(workerClock());
client.arriveAtAddress();
addEventListener('popstate', () => client.arriveAtAddress());
client.start();

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <ClientProvider value={client}>
      <App />
    </ClientProvider>,
  );
}
