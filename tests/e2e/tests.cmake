nexus_e2e(chat.py short 180)
nexus_e2e(pages.py short 240)
