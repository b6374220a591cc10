nexus_e2e(chat.py short 180)
