import json
import random
import time
from datetime import datetime

from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers=['kafka:9092'],
                         value_serializer=lambda x: json.dumps(x).encode('utf-8'))

while True:
    data = {
        'timestamp': datetime.now().isoformat(),
        'value': random.randint(1, 100)
    }
    producer.send('sensores', data)
    print(data)
    time.sleep(1)
